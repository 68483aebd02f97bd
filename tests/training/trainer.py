"""Trains small models for some steps in a process of its own, and writes what came out.

    python -m tests.training.trainer KIND PICTURES FOLDER STEPS FORM...

KIND is `cpu`, `mirrored` (two CPUs made of one) or `multi_worker` (of TF_CONFIG).
"""

import dataclasses
import pathlib
import sys

import numpy as np
import tensorflow as tf

from data.sources import open_extra, open_source
from tests.models.tiny import tiny_config
from training.loop import Run
from training.run import build_model
from training.settings import PARTS, TrainSettings
from training.strategies import make_strategy

# Three labelled pictures and one more: replicas have unlike numbers of labels.
SETTINGS = TrainSettings(batch=4, patch=32, lambda2=1.0, extra_share=0.25)
GAINS = {"lambda1_top": 0.1, "lr": 1e-3, "clip": 1.0, "ema": 0.9, "label_smoothing": 0.1}
# The paper's form, and one that draws rates, clips and averages.
FORMS = {
    "paper": (tiny_config(), SETTINGS),
    "gains": (
        tiny_config(normalisation="gdn", gains=2, skip_gain=0.0),
        dataclasses.replace(SETTINGS, **GAINS),
    ),
}


class Noted:
    """A step that notes its losses."""

    def __init__(self, step):
        self.inner, self.losses = step, []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __call__(self, batch):
        losses = self.inner(batch)
        self.losses.append([float(v) for v in losses])
        return losses


def strategy_of(kind):
    if kind != "mirrored":
        return make_strategy(kind)
    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    return tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])


def train(strategy, pictures, folder, steps, forms=FORMS):
    """The losses of every step and the weights after them, by form."""
    pictures = pathlib.Path(pictures)
    source = open_source(f"folder:{pictures}", "train")
    extra = open_extra(str(pictures / "val" / "*" / "*.jpg"))
    found = {}
    for form in forms:
        config, settings = FORMS[form]
        settings = dataclasses.replace(settings, steps=steps)
        run = Run(folder / form, build_model(config, settings, strategy, None), settings, strategy)
        run.step = Noted(run.step)
        run.train(source, extra)
        variables = [v for part in PARTS for v in getattr(run.model, part).variables]
        found[f"{form} losses"] = np.array(run.step.losses)
        found[f"{form} weights"] = np.concatenate([v.numpy().ravel() for v in variables])
        averages = run.optimisers.averages or [tf.zeros(1)]
        found[f"{form} averages"] = np.concatenate([v.numpy().ravel() for v in averages])
    return found


if __name__ == "__main__":
    kind, pictures, folder, steps, *forms = sys.argv[1:]
    found = train(strategy_of(kind), pictures, pathlib.Path(folder), int(steps), forms)
    np.savez(pathlib.Path(folder) / "found.npz", **found)
