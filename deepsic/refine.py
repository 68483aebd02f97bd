"""Refines symbols in the encoder: the same decoder and format, fewer bits or less error.

Rounding each feature by itself is not the best that a file can hold. Here the features move
before they are rounded, down the gradient of

    J = bits + λ1/3 · Σ (clip(x_hat) - x)²        (eq. 4 for one picture; 3 values a pixel)

through soft rounding (Yang, Bamler and Mandt 2020): between two neighbouring symbols lo and
lo + 1 stands lo + p, which becomes the harder the lower the temperature τ is. In `v`, features
in steps, the symbols are the whole numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from deepsic.coding.bitplanes import ranks
from deepsic.coding.tables import Tables

# From symbols, whole or between, float32 (h, w, channels), to half the gradient of the squared
# error with respect to them.
Gradient = Callable[[np.ndarray], np.ndarray]
# Features stay off the symbols themselves, where soft rounding has no slope.
LEAST = np.float32(1e-3)
# Added to each count, so that a symbol never seen costs much, but not everything.
UNSEEN = 0.02


@dataclasses.dataclass(frozen=True)
class Plan:
    """How features are refined.

    Attributes:
      temperatures: τ of each step, falling.
      step: how far one step goes, as a share of the Newton step of the distortion alone.
      emphasis: factor of λ1. Less than 1 lets the refined picture keep the error of the plain
        one, so that what is gained shows as fewer bytes.
    """

    temperatures: tuple[float, ...]
    step: float
    emphasis: float


PLANS = {1: Plan((0.5,), 0.12, 1.0), 2: Plan((0.6, 0.3), 0.1, 0.7)}


def symbol_costs(tables: Tables) -> np.ndarray:
    """Bits of every symbol by how often it was seen, float32 (channels, levels).

    Channels that are coded as residuals of a prediction cost nothing here: what their symbols
    cost, only the neighbours tell.
    """
    levels = tables.levels
    rank = ranks(levels)[(np.arange(levels) - tables.centre[:, None]) % levels]
    counts = np.take_along_axis(tables.histogram, rank, axis=1) + UNSEEN
    costs = np.log2(counts.sum(axis=1, keepdims=True)) - np.log2(counts)
    costs[tables.predicted == 1] = 0.0
    return costs.astype(np.float32)


def soft_rounding(v: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The symbol below v, the share p of the one above, and dp/dv; float32, like v."""
    low = np.floor(v)
    t = np.clip(v - low, LEAST, 1 - LEAST)
    inverse = np.float32(1 / temperature)
    p = 1 / (1 + np.exp((np.arctanh(1 - t) - np.arctanh(t)) * inverse))
    slope = p * (1 - p) * inverse * (1 / (1 - t * t) + 1 / (1 - (1 - t) ** 2))
    return low, p, slope


def refine(
    v: np.ndarray,
    gradient: Gradient,
    curvature: np.ndarray,
    tables: Tables,
    lambda1: float,
    plan: Plan,
) -> np.ndarray:
    """Moves features to where their symbols serve J better.

    Args:
      v: float32 (h, w, channels), features in steps, whose rounding is q; within the range
        of symbols.
      gradient: see `Gradient`.
      curvature: float32 (channels,), mean second derivative of the squared error with respect
        to a channel's symbols, halved.
      tables: of the model.
      lambda1: of the model's training, bits per pixel for one squared grey level.
      plan: one of `PLANS`.

    Returns:
      v, refined.
    """
    weight = np.float32(plan.emphasis * lambda1 / 3)
    rate = np.float32(plan.step) / (2 * np.float32(lambda1 / 3) * curvature)
    rate = np.where(tables.predicted == 1, np.float32(0), rate).astype(np.float32)
    costs = symbol_costs(tables)
    rise = np.diff(costs, axis=1, append=costs[:, -1:] + 32)
    lowest, highest = tables.lowest, tables.lowest + tables.levels - 1
    channel = np.arange(v.shape[-1]) * tables.levels
    start = v
    for temperature in plan.temperatures:
        low, p, slope = soft_rounding(v, temperature)
        d = 2 * weight * gradient(low + p)
        d += rise.reshape(-1).take(
            channel + np.clip(low, lowest, highest).astype(np.int32) - lowest
        )
        d *= slope
        d *= rate
        v = np.clip(v - d, start - 1, start + 1)
    return np.clip(v, lowest, highest)
