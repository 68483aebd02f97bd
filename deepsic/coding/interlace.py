"""The order in which positions are coded: Adam7's, seven passes that fill in.

1 6 4 6 2 6 4 6      Each pass stands on a lattice of its own and knows all
7 7 7 7 7 7 7 7      symbols of the passes before it, so a whole pass is
5 6 5 6 5 6 5 6      classified in one batched call. A pass sees its known
7 7 7 7 7 7 7 7      neighbours within two lattice steps: `TAPS`.
3 6 4 6 3 6 4 6
7 7 7 7 7 7 7 7
5 6 5 6 5 6 5 6
7 7 7 7 7 7 7 7
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np


class Pass(NamedTuple):
    """One pass: rows y, y + dy, …, columns x, x + dx, …"""

    y: int
    x: int
    dy: int
    dx: int

    def of(self, symbols: np.ndarray) -> np.ndarray:
        """The positions of this pass, a view (…, rows, columns, channels)."""
        return symbols[..., self.y :: self.dy, self.x :: self.dx, :]

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the pass in a map of that size."""
        rows = max(0, -(-(height - self.y) // self.dy))
        columns = max(0, -(-(width - self.x) // self.dx))
        return rows, columns


PASSES = (
    Pass(0, 0, 8, 8),
    Pass(0, 4, 8, 8),
    Pass(4, 0, 8, 4),
    Pass(0, 2, 4, 4),
    Pass(2, 0, 4, 2),
    Pass(0, 1, 2, 2),
    Pass(1, 0, 2, 1),
)

# The widest reach of a tap: a map is padded by this much on every side.
REACH = 8
# Positions classified in one call.
BLOCK_POSITIONS = 2048


def _known_before(number: int) -> np.ndarray:
    """Which positions of an endless map are coded before a pass: a 32×32 piece of it."""
    known = np.zeros((32, 32), bool)
    for p in PASSES[:number]:
        known[p.y :: p.dy, p.x :: p.dx] = True
    return known


def _taps(number: int) -> tuple[tuple[int, int], ...]:
    """Offsets (rows, columns) of the known neighbours of a pass, nearest first."""
    p = PASSES[number]
    known = _known_before(number)
    # The lattice step: how far the nearest known neighbour is.
    step = max(1, min(p.dy, p.dx) // 2) if p.dy == p.dx else p.dy // 2
    around = [
        (dy, dx)
        for dy in range(-2 * step, 2 * step + 1)
        for dx in range(-2 * step, 2 * step + 1)
        if known[(p.y + dy) % 32, (p.x + dx) % 32]
    ]
    return tuple(sorted(around, key=lambda t: (t[0] ** 2 + t[1] ** 2, t)))


TAPS = tuple(_taps(n) for n in range(len(PASSES)))


class RowBlock(NamedTuple):
    """Rows top…bottom-1 of the lattice of pass `number`: what is classified in one call."""

    number: int
    top: int
    bottom: int

    def of(self, symbols: np.ndarray) -> np.ndarray:
        """The block's positions, a view (rows, columns, channels) of (h, w, channels)."""
        return PASSES[self.number].of(symbols)[self.top : self.bottom]


def row_blocks(number: int, height: int, width: int) -> list[RowBlock]:
    """A pass in blocks, which fit a processor's cache and bound the memory of large maps."""
    rows, columns = PASSES[number].shape(height, width)
    if not rows * columns:
        return []
    step = max(1, BLOCK_POSITIONS // columns)
    return [RowBlock(number, top, min(top + step, rows)) for top in range(0, rows, step)]


def tap_views(padded: Any, number: int, rows: int, columns: int) -> Iterator[Any]:
    """One view for each tap of a pass: the neighbours at that offset.

    Args:
      padded: array or tensor (maps, REACH + height + REACH, REACH + width + REACH,
        channels), from the first row of the lattice that is wanted.
      number: of the pass, from 0.
      rows, columns: of the lattice.

    Yields:
      (maps, rows, columns, channels).
    """
    p = PASSES[number]
    for dy, dx in TAPS[number]:
        y, x = REACH + p.y + dy, REACH + p.x + dx
        yield padded[
            :, y : y + (rows - 1) * p.dy + 1 : p.dy, x : x + (columns - 1) * p.dx + 1 : p.dx
        ]


def tap_indices(block: RowBlock, width: int) -> np.ndarray:
    """Where the taps of a block's positions are in a map padded as for `tap_views`.

    Args:
      block: of positions.
      width: of the map with its padding.

    Returns:
      int64 (positions, taps), indices into the map's rows and columns, flat.
    """
    p = PASSES[block.number]
    columns = p.shape(1, width - 2 * REACH)[1]
    y = REACH + p.y + p.dy * np.arange(block.top, block.bottom)
    x = REACH + p.x + p.dx * np.arange(columns)
    at = (y[:, None] * width + x).reshape(-1, 1)
    return at + np.array([dy * width + dx for dy, dx in TAPS[block.number]], np.int64)
