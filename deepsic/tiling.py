"""Networks on pictures of any size, a tile at a time, without seams.

A tile is computed with a margin as wide as the network looks, and only its
inside is kept. At the picture's own edges there is no margin, so that the
network pads there as it would have done for the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

# Rows and columns.
Area = tuple[slice, slice]


def tiled(
    network: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    *,
    step_in: int,
    step_out: int,
    tile: int,
    margin: int,
    out: np.ndarray,
) -> np.ndarray:
    """Runs a fully convolutional network over a picture in tiles.

    Args:
      network: (1, h, w, c) to (1, h·step_out/step_in, …).
      x: (H, W, c), sides multiples of step_in.
      step_in, step_out: side of one cell of the common grid, before and after:
        (8, 1) for a feature extractor of stride 8, (1, 8) for its inverse.
      tile: side of a tile, cells.
      margin: cells that the network sees around a tile.
      out: (H·step_out/step_in, …, channels), which is filled and returned.
    """
    rows, columns = x.shape[0] // step_in, x.shape[1] // step_in
    for inside, outside, within in tiles(rows, columns, tile, margin):
        y = network(x[_scaled(outside, step_in)][None])[0]
        out[_scaled(inside, step_out)] = y[_scaled(within, step_out)]
    return out


def tiles(rows: int, columns: int, tile: int, margin: int) -> Iterator[tuple[Area, Area, Area]]:
    """Areas of a grid that cover it once.

    Args:
      rows, columns: of the grid.
      tile: side of a tile.
      margin: cells around a tile, where the grid has any.

    Yields:
      The tile, the tile with its margin, and where the first lies in the second.
    """
    for top in range(0, rows, tile):
        for left in range(0, columns, tile):
            bottom, right = min(top + tile, rows), min(left + tile, columns)
            above, before = max(0, top - margin), max(0, left - margin)
            yield (
                (slice(top, bottom), slice(left, right)),
                (
                    slice(above, min(rows, bottom + margin)),
                    slice(before, min(columns, right + margin)),
                ),
                (slice(top - above, bottom - above), slice(left - before, right - before)),
            )


def _scaled(area: Area, step: int) -> Area:
    """An area of cells as an area of what is `step` times as fine."""
    y, x = area
    return slice(y.start * step, y.stop * step), slice(x.start * step, x.stop * step)
