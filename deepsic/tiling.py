"""Networks on pictures of any size, a tile at a time, without seams.

A tile is computed with a margin as wide as the network looks, and only its
inside is kept. At the picture's own edges there is no margin, so that the
network pads there as it would have done for the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


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
    for top in range(0, rows, tile):
        for left in range(0, columns, tile):
            bottom, right = min(top + tile, rows), min(left + tile, columns)
            t, b = max(0, top - margin), min(rows, bottom + margin)
            l, r = max(0, left - margin), min(columns, right + margin)
            piece = x[t * step_in : b * step_in, l * step_in : r * step_in]
            y = network(piece[None])[0]
            out[top * step_out : bottom * step_out, left * step_out : right * step_out] = y[
                (top - t) * step_out : (bottom - t) * step_out,
                (left - l) * step_out : (right - l) * step_out,
            ]
    return out
