"""Refines symbols in the encoder: the same decoder and format, fewer bits or less error.

Rounding each feature by itself is not the best that a file can hold. Here the features move
before they are rounded, down the gradient of

    J = bits + λ1/3 · Σ (clip(x_hat) - x)²        (eq. 4 for one picture; 3 values a pixel)

through soft rounding (Yang, Bamler and Mandt 2020): between two neighbouring symbols lo and
lo + 1 stands lo + p, which becomes the harder the lower the temperature τ is. In `v`, features
in steps, the symbols are the whole numbers. Bits are those of the context classifier.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

# From symbols, whole or between, float32 (h, w, channels), to half the gradient of the squared
# error with respect to them.
Gradient = Callable[[np.ndarray], np.ndarray]
# Bits of candidates in the place of symbols, see `deepsic.coding.prices`.
Prices = Callable[[np.ndarray, Sequence[np.ndarray], np.ndarray], Sequence[np.ndarray]]
# Features stay off the symbols themselves, where soft rounding has no slope.
LEAST = np.float32(1e-3)
# How far a feature may move in all, in steps.
MOST = np.float32(1)
# What a symbol more costs where a feature has left the pair that was priced, bits.
AWAY = np.float32(2)
# A round moves such a share of all symbols at most. It counts on so much more curvature than the
# mean, and looks at symbols other than 0 as if they could save so many bits, at zeros as if none.
SHARE, CAUTION, WORTH = 0.02, 1.5, 8.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """How features are refined.

    Attributes:
      temperatures: τ of each step, falling.
      rate: how far one step goes, as a share of the Newton step of the distortion alone.
      bound: the most that one step goes, in steps of the quantiser.
      every: after how many steps symbols are priced anew.
      rounds: how often symbols move by one after that (`move_by_one`).
    """

    temperatures: tuple[float, ...]
    rate: float
    bound: float
    every: int = 1
    rounds: int = 0

    @property
    def gradients(self) -> int:
        """How many gradients are computed at most."""
        return len(self.temperatures) + 2 * self.rounds


PLANS = {
    1: Plan((0.4,), 0.25, 0.2),
    2: Plan((0.5, 0.3), 0.2, 0.2, 2),
    3: Plan((0.5, 0.42, 0.36, 0.3), 0.15, 0.15, 2, 1),
}


class Measures(NamedTuple):
    """What J is measured with.

    Attributes:
      curvature: float32 (channels,), mean second derivative of the squared error with respect
        to a channel's symbols, halved.
      prices: see `Prices`.
      symbols: the lowest and the highest.
      lambda1: of the model's training, bits per pixel for one squared grey level.
    """

    curvature: np.ndarray
    prices: Prices
    symbols: tuple[int, int]
    lambda1: float


class Refined(NamedTuple):
    """Symbols, refined.

    Attributes:
      q: float32 (h, w, channels), whole numbers.
      bits, error: float32, like q, what the last soft step promises of each symbol that it
        changes: bits more, and squared error more.
    """

    q: np.ndarray
    bits: np.ndarray
    error: np.ndarray


def soft_rounding(v: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The symbol below v, the share p of the one above, and dp/dv; float32, like v."""
    low = np.floor(v)
    t = np.clip(v - low, LEAST, 1 - LEAST)
    inverse = np.float32(1 / temperature)
    p = 1 / (1 + np.exp((np.arctanh(1 - t) - np.arctanh(t)) * inverse))
    slope = p * (1 - p) * inverse * (1 / (1 - t * t) + 1 / (1 - (1 - t) ** 2))
    return low, p, slope


def refine(v: np.ndarray, gradient: Gradient, measures: Measures, plan: Plan) -> Refined:
    """Moves features to where their symbols serve J better.

    Args:
      v: float32 (h, w, channels), features in steps, whose rounding is q; within the range
        of symbols.
      gradient: see `Gradient`.
      measures: of the model, at its step.
      plan: one of `PLANS`.
    """
    lowest, highest = measures.symbols
    weight = np.float32(2 * measures.lambda1 / 3)
    bound = np.float32(plan.bound)
    rate = np.float32(plan.rate / plan.bound) / (weight * measures.curvature)
    start = v
    for number, temperature in enumerate(plan.temperatures):
        low, p, slope = soft_rounding(v, temperature)
        if number % plan.every == 0:
            left = min(plan.every, len(plan.temperatures) - number)
            base, rise = low, _rise(v, low, measures, left * plan.bound)
        soft = low + p
        g = gradient(soft)
        bits = np.where(low == base, rise, AWAY * np.sign(low - base))
        d = weight * g
        d += bits
        d *= slope
        d *= rate
        before = v
        v = np.clip(v - bound * np.tanh(d, out=d), start - MOST, start + MOST)
    q, new = (np.rint(np.clip(each, lowest, highest)) for each in (before, v))
    change = new - q
    error = change * (2 * g + measures.curvature * (new + q - 2 * soft))
    for _ in range(plan.rounds):
        new = move_by_one(new, gradient, measures)
    return Refined(new, change * bits, error)


def _rise(v: np.ndarray, low: np.ndarray, measures: Measures, reach: float) -> np.ndarray:
    """Bits more for the symbol above v than for the one below, float32, like v.

    Where v stands farther from the edge between both than it can go, they are not worth a look.
    """
    lowest, highest = measures.symbols
    q = np.clip(np.rint(v), lowest, highest)
    wanted = np.abs(v - q) > 0.5 - reach
    below = np.clip(low, lowest, highest - 1).astype(np.int16)
    under, over = measures.prices(q.astype(np.int16), (below, below + np.int16(1)), wanted)
    return over - under


def move_by_one(q: np.ndarray, gradient: Gradient, measures: Measures) -> np.ndarray:
    """Moves symbols by one where that lowers J, the best of them at once.

    Many moves at once disturb each other, so each must hold at the point half way of them all.
    """
    lowest, highest = measures.symbols
    weight = np.float32(2 * measures.lambda1 / 3)
    slope = weight * gradient(q)
    bend = np.float32(CAUTION / 2) * weight * measures.curvature
    wanted = np.abs(slope) + WORTH * (q != 0) > bend
    now = q.astype(np.int16)
    moves = [np.clip(now + np.int16(d), lowest, highest).astype(np.int16) for d in (-1, 1)]
    bits, *others = measures.prices(now, (now, *moves), wanted)
    down, up = (other - bits for other in others)
    rises = slope + up < down - slope
    direction = np.where(rises, np.float32(1), np.float32(-1))
    more = np.where(rises, up, down)
    score = direction * slope + more + bend
    impossible = (q + direction < lowest) | (q + direction > highest)
    score[impossible | ~wanted] = np.inf
    most = int(SHARE * score.size)
    chosen = score < min(float(np.partition(score, most, axis=None)[most]), 0.0)
    direction *= chosen
    half_way = weight * gradient(q + direction / 2)
    return q + direction * (direction * half_way + more < 0)
