"""The networks between pictures and features, tile by tile: of any size, in bounded memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from deepsic.tiling import tiled

if TYPE_CHECKING:
    from deepsic.config import ModelConfig
    from deepsic.runtimes import Runtime

# Side of a tile.
TILE_PIXELS = 768
# How far black and white lie beyond the range when the feature extractor sees them, levels.
OVERSHOOT = np.float32(2)


def get_margin(config: ModelConfig) -> int:
    """How many cells around a tile the networks look, at most.

    Each stage looks half a kernel of its finer side around, and interpolates between
    neighbours of its coarser one, if that is coarser. A residual block has two 3×3 kernels.
    """
    pixels, fine = 0, 1
    for kernel, stride in zip(config.kernels, config.strides, strict=True):
        pixels += kernel // 2 * fine
        fine *= stride
        pixels += fine if stride > 1 else 0
    return -(-pixels // config.stride) + 2 * max(config.blocks, config.decoder_blocks)


def widened(x: np.ndarray) -> np.ndarray:
    """A picture, uint8, as float32, with what is at an end of the range a little beyond it.

    What the decoder is off by in an area of white or black is clipped away then.
    """
    y = x.astype(np.float32)
    np.subtract(y, OVERSHOOT, out=y, where=x == 0)
    return np.add(y, OVERSHOOT, out=y, where=x == 255)


class Transforms:
    """The analysis and the synthesis transform of a model: feature extractor, reconstruction.

    Args:
      config: of the model.
      runtime: that runs its networks.
    """

    def __init__(self, config: ModelConfig, runtime: Runtime) -> None:
        self.config, self.runtime = config, runtime

    @functools.cached_property
    def margin(self) -> int:
        """See `get_margin`."""
        return get_margin(self.config)

    def pad(self, x: np.ndarray) -> np.ndarray:
        """A picture (H, W, 3), continued by its last pixels to multiples of the stride."""
        below, right = (-n % self.config.stride for n in x.shape[:2])
        if not (below or right):
            return x
        return np.pad(x, [(0, below), (0, right), (0, 0)], mode="edge")

    def features(self, x: np.ndarray) -> np.ndarray:
        """See `deepsic.model.Model.features`."""
        x, stride = self.pad(x), self.config.stride
        rows, columns = x.shape[0] // stride, x.shape[1] // stride
        return tiled(
            lambda tile: self.runtime.features(widened(tile)),
            x,
            step_in=stride,
            step_out=1,
            tile=TILE_PIXELS // stride,
            margin=self.margin,
            out=np.empty((rows, columns, self.config.latents), np.float32),
        )

    def reconstruct(
        self, q: np.ndarray, restore: Callable[[np.ndarray], np.ndarray], grey: bool
    ) -> np.ndarray:
        """The picture of symbols, uint8 (h·stride, w·stride, 3).

        Args:
          q: symbols (h, w, latents).
          restore: dequantises a piece of them.
          grey: whether its three channels shall be equal.
        """
        stride = self.config.stride

        def network(tile: np.ndarray) -> np.ndarray:
            x_hat = self.runtime.reconstruction(restore(tile))
            if grey:
                x_hat = x_hat.mean(axis=-1, keepdims=True)
            return np.clip(np.rint(x_hat, out=x_hat), 0, 255, out=x_hat).astype(np.uint8)

        return tiled(
            network,
            q,
            step_in=1,
            step_out=stride,
            tile=TILE_PIXELS // stride,
            margin=self.margin,
            out=np.empty((q.shape[0] * stride, q.shape[1] * stride, 3), np.uint8),
        )
