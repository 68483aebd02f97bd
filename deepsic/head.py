"""A model's semantic head at work: features or symbols to probabilities, and to thumbnails."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from deepsic.errors import ModelError
from deepsic.pretrained import PretrainedHead
from deepsic.thumbnail import choose_pixels, thumbnail

if TYPE_CHECKING:
    from deepsic.folders import Folder
    from deepsic.runtimes import Runtime

# Side of a tile for classification; changing it changes labels.
DESCRIBED_PIXELS = 1024
# Stride from which on the map of `pre` makes the small pictures to look at.
COARSE = 16
# From features or symbols, a piece of them, to what the head sees of it.
Prepare = Callable[[np.ndarray], np.ndarray]


class Head:
    """The head of one model.

    Args:
      folder: of the model.
      runtime: that runs its networks.
    """

    def __init__(self, folder: Folder, runtime: Runtime) -> None:
        self.folder, self.config, self.runtime = folder, folder.config, runtime

    def classify(self, maps: np.ndarray, prepare: Prepare) -> np.ndarray:
        """Class probabilities, float32 (n, classes), of pictures of one size (section III-D).

        Args:
          maps: features or symbols, (n, h, w, latents).
          prepare: see `Prepare`.

        Raises:
          ModelError: if the weights are such that nothing finite comes out.
        """
        logits = self._recognise if self.config.head == "pretrained" else self._decide
        probabilities = _softmax(logits(maps, prepare))
        if not np.isfinite(probabilities).all():
            raise ModelError(f"{self.folder.path}: the networks compute no probabilities.")
        return probabilities

    def thumbnail(
        self, maps: np.ndarray, height: int, width: int, least: int, prepare: Prepare
    ) -> np.ndarray:
        """See `Model.thumbnail`."""
        if self.config.head != "pretrained":
            raise ModelError(f"{self.folder.path}: only pretrained heads make thumbnails.")
        stride, pixels = self.config.stride, choose_pixels(height, width, self.config.stride, least)
        x = self._previewer._thumbnail(maps, pixels, prepare)
        return x[: -(-height * pixels // stride), : -(-width * pixels // stride)]

    @functools.cached_property
    def _previewer(self) -> Head:
        """The head whose map makes small pictures to look at.

        At COARSE strides distillation takes the map of `post` far from the picture, and that of
        `pre` makes better ones, of the same features (docs/labels.md).
        """
        mine = self.config.arch == "pre" or "pre" not in self.folder.archs
        if mine or self.config.stride < COARSE:
            return self
        pre = dataclasses.replace(self.folder, arch="pre")
        return Head(pre, self.runtime) if pre.config.head == "pretrained" else self

    @functools.cached_property
    def _pretrained(self) -> PretrainedHead:
        return PretrainedHead(self.folder)

    def _recognise(self, maps: np.ndarray, prepare: Prepare) -> np.ndarray:
        """Logits of the pretrained head, (n, classes)."""
        stride, head = self.config.stride, self._pretrained
        pixels = choose_pixels(maps.shape[1] * stride, maps.shape[2] * stride, stride)
        small = [self._thumbnail(one, pixels, prepare) for one in maps]
        x = np.stack([head.fit(one) for one in small])
        return self.runtime.recognise(x) / head.temperature

    def _thumbnail(self, maps: np.ndarray, pixels: int, prepare: Prepare) -> np.ndarray:
        mapping, config = self._pretrained.mapping, self.config
        if config.head_input == "features":
            return thumbnail(mapping, maps, pixels, prepare)
        kernels = config.kernels[len(config.kernels) - config.first_stages :]
        reach = sum(kernel // 2 for kernel in kernels) + 2 * config.decoder_blocks
        return thumbnail(
            mapping, maps, pixels, lambda piece: self.runtime.first_stages(prepare(piece)), reach
        )

    def _decide(self, maps: np.ndarray, prepare: Prepare) -> np.ndarray:
        """Logits of the paper's head, (n, classes).

        Large maps are described tile by tile, and the descriptions averaged.
        """
        tile = DESCRIBED_PIXELS // self.config.stride
        total, weight = np.zeros((), np.float32), 0
        for top in range(0, maps.shape[1], tile):
            for left in range(0, maps.shape[2], tile):
                piece = prepare(maps[:, top : top + tile, left : left + tile])
                cells = piece.shape[1] * piece.shape[2]
                total = total + cells * self.runtime.describe(piece)
                weight += cells
        return self.runtime.decide(total / weight)


def _softmax(logits: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # damaged weights, of which `classify` complains
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)
