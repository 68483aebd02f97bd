"""A small picture out of the features, without the reconstruction network.

The pretrained head (`deepsic.pretrained`) begins with a linear map of features, or of what the
decoder's first stages make of them: a convolution of 5×5 or 3×3 cells whose outputs are the
stride×stride pixels of a cell. It is linear, so averages over pixels are averages over its weights,
and a picture at 1/p of its size costs less than the whole one.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from deepsic.pretrained import LEAST_SIDE
from deepsic.tiling import tiled

if TYPE_CHECKING:
    from deepsic.dsicfile import DsicFile
    from deepsic.picture import Picture

# What the products of one tile may take, bytes.
_TILE_BYTES = 1 << 23


@dataclasses.dataclass(frozen=True, eq=False)
class LinearMap:
    """From features to pixels.

    Attributes:
      kernel: float32 (k, k, inputs, stride·stride·3), k odd; outputs are pixels of a cell, row by
        row, in 0–255.
      bias: float32 (stride·stride·3,).
      stride: pixels of the picture per cell, along one side.
    """

    kernel: np.ndarray
    bias: np.ndarray
    stride: int

    def __post_init__(self) -> None:
        outputs = 3 * self.stride**2
        shape = self.kernel.shape
        side = shape[0] if shape else 0
        if len(shape) != 4 or side not in (1, 3, 5, 7) or shape[1::2] != (side, outputs):
            raise ValueError(f"the map's kernel is {self.kernel.shape}")
        if self.bias.shape != (outputs,):
            raise ValueError(f"the map's bias is {self.bias.shape}")
        if not (np.isfinite(self.kernel).all() and np.isfinite(self.bias).all()):
            raise ValueError("the map is not finite")

    @functools.lru_cache(maxsize=8)  # noqa: B019  (a map lives as long as its model)
    def averaged(self, pixels: int) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias of the map that gives pixels×pixels averages for each cell."""
        p = self.stride // pixels
        shape = (-1, pixels, p, pixels, p, 3)
        kernel = self.kernel.reshape(shape).mean((2, 4)).reshape(*self.kernel.shape[:3], -1)
        return kernel, self.bias.reshape(shape).mean((2, 4)).reshape(-1)

    def apply(self, f: np.ndarray, pixels: int) -> np.ndarray:
        """Averages over pixels, float32 (1, h·pixels, w·pixels, 3), of f, (1, h, w, inputs)."""
        kernel, bias = self.averaged(pixels)
        _, rows, columns, inputs = f.shape
        taps = kernel.transpose(2, 0, 1, 3).reshape(inputs, -1)
        k = len(kernel)
        products = (f.reshape(-1, inputs) @ taps).reshape(rows, columns, k, k, -1)
        total = np.broadcast_to(bias, (rows, columns, len(bias))).copy()
        for i in range(k):
            for j in range(k):
                to_y, from_y = _overlap(i - k // 2, rows)
                to_x, from_x = _overlap(j - k // 2, columns)
                total[to_y, to_x] += products[from_y, from_x, i, j]
        blocks = total.reshape(rows, columns, pixels, pixels, 3).transpose(0, 2, 1, 3, 4)
        return blocks.reshape(1, rows * pixels, columns * pixels, 3)


def _overlap(d: int, size: int) -> tuple[slice, slice]:
    """Cells that get a product from the cell d places behind them, and those cells."""
    d = max(-size, min(d, size))
    return slice(max(0, -d), size - max(0, d)), slice(max(0, d), size - max(0, -d))


def of_file(file: DsicFile, alpha: np.ndarray | None, side: int) -> Picture:
    """A small picture of a file, without the reconstruction network where its head allows it.

    Args:
      file: to show.
      alpha: its transparency.
      side: of the result, the longer one, pixels; no more than the picture's own.

    Raises:
      ModelError: if the model of the file is not here.
      CorruptFile: if the payload is damaged.
    """
    from PIL import Image

    from deepsic.picture import Picture

    scale = min(1.0, side / max(file.size))
    width, height = (max(1, round(scale * s)) for s in file.size)
    if file.codec.config.head == "pretrained" and scale < 1:
        rgb = file.get_thumbnail(min(width, height))
        if file.header.grey:
            rgb = np.rint(rgb.mean(axis=-1, keepdims=True)).astype(np.uint8).repeat(3, axis=-1)
    else:
        rgb = file.rgb
    small = Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if alpha is not None:
        alpha = np.asarray(Image.fromarray(alpha).resize((width, height), Image.Resampling.BOX))
    return Picture(np.asarray(small), alpha)


def choose_pixels(height: int, width: int, stride: int, least: int = LEAST_SIDE) -> int:
    """Pixels of a thumbnail for each cell: as few as leave a short side of `least` or more.

    Args:
      height, width: of the picture, pixels.
      stride: of its features.
      least: the shortest side wanted.

    Returns:
      stride, stride / 2, … or 1.
    """
    pixels = stride
    while pixels > 1 and min(height, width) * (pixels // 2) >= least * stride:
        pixels //= 2
    return pixels


def thumbnail(
    mapping: LinearMap,
    maps: np.ndarray,
    pixels: int,
    prepare: Callable[[np.ndarray], np.ndarray] = lambda piece: piece,
    reach: int = 0,
) -> np.ndarray:
    """The small picture of features, a tile at a time.

    Args:
      mapping: of the model.
      maps: features (h, w, latents), or symbols.
      pixels: of the thumbnail for each cell, see `choose_pixels`.
      prepare: makes what the map reads of a piece of the maps, (1, h, w, latents).
      reach: how many cells around one it looks for that.

    Returns:
      uint8 (h·pixels, w·pixels, 3).
    """

    def network(piece: np.ndarray) -> np.ndarray:
        y = mapping.apply(prepare(piece), pixels)
        return np.clip(np.rint(y, out=y), 0, 255, out=y).astype(np.uint8)

    rows, columns = maps.shape[:2]
    side = len(mapping.kernel)
    cells = _TILE_BYTES // (4 * 3 * side**2 * pixels**2)
    out = np.empty((rows * pixels, columns * pixels, 3), np.uint8)
    return tiled(
        network,
        maps,
        step_in=1,
        step_out=pixels,
        tile=max(16 * (1 + reach), math.isqrt(cells)),
        margin=side // 2 + reach,
        out=out,
    )


def resize(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture, uint8 (H, W, 3), at another size: bicubic, without aliases."""
    from PIL import Image

    if x.shape[:2] == (height, width):
        return x
    resized = Image.fromarray(x).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)
