"""Where the training runs: one device, several on one host, or several hosts."""

from __future__ import annotations

import tensorflow as tf

from data.pipeline import Batch
from training.hosts import Hosts, bounded, check_tf_config


def make_strategy(name: str) -> tf.distribute.Strategy:
    """A `tf.distribute` strategy by name.

    Args:
      name: `auto` takes every GPU of this host, or the CPU if there is none;
        `cpu` and `gpu` one device; `mirrored` all GPUs of this host;
        `multi_worker` several hosts, described in TF_CONFIG.

    Raises:
      ValueError: if the devices asked for are not there, or TF_CONFIG describes no hosts.
    """
    if name == "multi_worker":
        return _join_hosts()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "auto":
        name = "cpu" if not gpus else "gpu" if len(gpus) == 1 else "mirrored"
    if name in ("gpu", "mirrored") and not gpus:
        raise ValueError(
            f"--strategy={name} needs a GPU and TensorFlow sees none; use --strategy=cpu."
        )
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.OneDeviceStrategy("/gpu:0" if name == "gpu" else "/cpu:0")


def _join_hosts() -> tf.distribute.Strategy:
    """Must come before all else that TensorFlow does: it cannot join others later."""
    check_tf_config()
    missing = "not all hosts of TF_CONFIG could be reached; start the same command on all of them."
    try:
        with bounded(missing):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        reason = error.message.strip().splitlines()[0].rstrip(".")
        raise ValueError(f"the hosts of TF_CONFIG cannot be joined: {reason[:200]}.") from error


def distribute(
    strategy: tf.distribute.Strategy, hosts: Hosts, batches: tf.data.Dataset
) -> tf.data.Dataset:
    """Gives every replica of this host its rows, in the order of `replica_id_in_sync_group`.

    Args:
      strategy, hosts: that train together.
      batches: of this host's share of the global batch.
    """
    local = strategy.num_replicas_in_sync // hosts.count

    def split(batch: Batch) -> Batch:
        return {k: tf.reshape(v, (local, -1, *v.shape[1:])) for k, v in batch.items()}

    if local > 1:
        batches = batches.map(split).unbatch()
    return strategy.distribute_datasets_from_function(lambda context: batches)
