"""The distortion D of eq. 4 between two pictures, and PSNR."""

from __future__ import annotations

import math

import numpy as np

# Rows that are compared in one call.
_ROWS = 256


def squared_error(x: np.ndarray, x_hat: np.ndarray) -> int:
    """The sum of squared differences of uint8 arrays of one shape, exact."""
    total = 0
    for top in range(0, len(x), _ROWS):
        rows = slice(top, top + _ROWS)
        difference = x[rows].astype(np.int32) - x_hat[rows]
        total += int(np.square(difference).sum(dtype=np.int64))
    return total


def psnr(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of uint8 arrays of one shape; inf if equal."""
    error = squared_error(x, x_hat)
    return 10 * math.log10(255**2 * x.size / error) if error else math.inf
