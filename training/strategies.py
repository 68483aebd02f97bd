"""Where the training runs: one device, several on one host, or several hosts."""

from __future__ import annotations

import tensorflow as tf


def make_strategy(name: str) -> tf.distribute.Strategy:
    """A `tf.distribute` strategy by name.

    Args:
      name: `auto` takes every GPU of this host, or the CPU if there is none;
        `cpu` and `gpu` one device; `mirrored` all GPUs of this host;
        `multi_worker` several hosts, described in TF_CONFIG.

    Raises:
      ValueError: if the devices asked for are not there.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "auto":
        name = "cpu" if not gpus else "gpu" if len(gpus) == 1 else "mirrored"
    if name in ("gpu", "mirrored") and not gpus:
        raise ValueError(
            f"--strategy={name} needs a GPU and TensorFlow sees none; use --strategy=cpu."
        )
    if name == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.OneDeviceStrategy("/gpu:0" if name == "gpu" else "/cpu:0")
