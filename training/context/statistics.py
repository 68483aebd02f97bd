"""What the coder learns from symbols by counting: centres, predictors, trees."""

from __future__ import annotations

import dataclasses

import numpy as np

from deepsic.coding import bitplanes
from deepsic.coding.bitplanes import Trees, build_trees
from deepsic.coding.interlace import PASSES, REACH, TAPS, tap_views
from deepsic.coding.tables import (
    PREDICTOR_BITS,
    REMAINDER_BITS,
    REMAINDER_MAX,
    VALUE_BITS,
    VALUE_MAX,
    reaches,
)

# Maps that the predictor is fitted on: enough for 10 weights a channel.
PREDICTOR_MAPS = 200
# A channel is predicted, and coded as residuals, if its standard deviation is more
# than this many steps and the prediction takes at least a quarter off it.
PREDICTED_STEPS = 1.5
PREDICTED_GAIN = 0.75


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Counted on maps of levels; the attributes are those of `tables.Tables`."""

    centre: np.ndarray
    clip: np.ndarray
    predicted: np.ndarray
    predictor: list[np.ndarray]
    histogram: np.ndarray
    reach: np.ndarray
    trees: Trees
    node_mean: np.ndarray
    node_size: np.ndarray

    def ranks(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Levels as the coder sees them.

        Args:
          levels: int (maps, h, w, channels), from 0.

        Returns:
          Ranks, int32, and the predictor's remainders, float32 in steps.
        """
        prediction = predict(levels - self.centre, self.predictor)
        return _ranks(levels, self.trees.levels, self.centre, self.predicted, prediction)


def measure(levels: np.ndarray, count: int) -> Statistics:
    """Counts everything.

    Args:
      levels: int (maps, h, w, channels), from 0.
      count: of the levels that there are, 2**B.
    """
    centre = _histogram(levels, count).argmax(axis=1).astype(np.int32)
    values = levels - centre
    predictor = fit_predictor(values[:PREDICTOR_MAPS])
    prediction = predict(values, predictor)
    # The last pass, half of all positions, shows what prediction is worth.
    last = PASSES[-1]
    error = last.of(values) - last.of(prediction) / (1 << REMAINDER_BITS)
    spread = last.of(values).std(axis=(0, 1, 2))
    predicted = (spread > PREDICTED_STEPS) & (error.std(axis=(0, 1, 2)) < PREDICTED_GAIN * spread)
    predicted = predicted.astype(np.int32)
    ranks, _ = _ranks(levels, count, centre, predicted, prediction)
    histogram = _histogram(ranks, count)
    trees = build_trees(histogram)
    mean, size = _node_values(trees, histogram)
    clip = np.abs(values).max(axis=(0, 1, 2)).astype(np.int32)
    reach = _reach(ranks, count)
    return Statistics(centre, clip, predicted, predictor, histogram, reach, trees, mean, size)


def share_turns(histogram: np.ndarray, turns: int) -> np.ndarray:
    """In which turn plane 0 asks each channel: those first that are other than zero most often.

    Args:
      histogram: (channels, levels), counts of ranks.
      turns: each with about as many bits as the others.

    Returns:
      int (channels,), 0 to turns - 1.
    """
    share = 1 - histogram[:, 0] / histogram.sum(axis=1)
    p = share.clip(1e-6, 1 - 1e-6)
    bits = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    order = np.argsort(-share, kind="stable")
    before = np.cumsum(bits[order]) - bits[order] / 2
    turn = np.empty(len(order), np.int32)
    turn[order] = np.minimum((turns * before / bits.sum()).astype(np.int32), turns - 1)
    return turn


def _histogram(levels: np.ndarray, count: int) -> np.ndarray:
    channels = levels.shape[-1]
    return np.stack([np.bincount(levels[..., c].ravel(), minlength=count) for c in range(channels)])


def _ranks(levels, count, centre, predicted, prediction) -> tuple[np.ndarray, np.ndarray]:
    shift = (prediction >> REMAINDER_BITS) * predicted
    remainder = np.clip(prediction - (shift << REMAINDER_BITS), -REMAINDER_MAX, REMAINDER_MAX)
    ranks = bitplanes.ranks(count)[(levels - centre - shift) % count]
    return ranks, (remainder / (1 << REMAINDER_BITS)).astype(np.float32)


def _reach(ranks: np.ndarray, count: int) -> np.ndarray:
    """How often each reach occurs, below zero then above: (2·channels, reaches)."""
    residual, known = bitplanes.residuals(count)[ranks], reaches(count)
    ends = np.concatenate([-residual.min(axis=(1, 2)), residual.max(axis=(1, 2))], axis=-1)
    reach = np.searchsorted(known, np.maximum(ends, 0))
    return (reach[..., None] == np.arange(len(known))).sum(axis=0)


def _node_values(trees: Trees, histogram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean residual and mean magnitude at each node, then at each rank, fixed point."""
    x = bitplanes.residuals(trees.levels)
    weight = histogram + 1e-3

    def means(values: np.ndarray) -> np.ndarray:
        sums = np.pad(np.cumsum(weight * values, axis=1), [(0, 0), (1, 0)])
        counts = np.pad(np.cumsum(weight, axis=1), [(0, 0), (1, 0)])
        rows = np.arange(trees.channels)[:, None]
        top, bottom = trees.high + 1, trees.low
        nodes = (sums[rows, top] - sums[rows, bottom]) / (counts[rows, top] - counts[rows, bottom])
        leaves = np.tile(values, (trees.channels, 1))
        fixed = np.rint(np.concatenate([nodes, leaves], axis=1) * (1 << VALUE_BITS))
        return np.clip(fixed, -VALUE_MAX, VALUE_MAX).astype(np.int32)

    return means(x), means(np.abs(x))


def fit_predictor(values: np.ndarray) -> list[np.ndarray]:
    """Least-squares weights of each channel's known neighbours, for each pass.

    Args:
      values: int (maps, h, w, channels), levels less their channel's centre.

    Returns:
      For each pass int (taps, channels) in 1/2^PREDICTOR_BITS.
    """
    weights = []
    padded = np.pad(values, [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)]).astype(np.float32)
    _, h, w, channels = values.shape
    for number, p in enumerate(PASSES):
        if not TAPS[number]:
            weights.append(np.zeros((0, channels), np.int32))
            continue
        x = np.stack(list(tap_views(padded, number, *p.shape(h, w))), axis=-1)
        x = np.moveaxis(x.reshape(-1, channels, len(TAPS[number])), 1, 0)
        y = np.moveaxis(p.of(values).reshape(-1, channels), 1, 0)[..., None].astype(np.float32)
        gram = x.transpose(0, 2, 1) @ x + 1e-2 * x.shape[1] * 0.01 * np.eye(x.shape[2])
        best = np.linalg.solve(gram, x.transpose(0, 2, 1) @ y)[..., 0]
        limit = 2 << PREDICTOR_BITS
        rounded = np.rint(best.T * (1 << PREDICTOR_BITS)).clip(-limit, limit)
        weights.append(rounded.astype(np.int32))
    return weights


def predict(values: np.ndarray, predictor: list[np.ndarray]) -> np.ndarray:
    """Predictions of every symbol from its known neighbours, in 1/2^REMAINDER_BITS steps."""
    out = np.zeros(values.shape, np.int32)
    padded = np.pad(values, [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)]).astype(np.int32)
    _, h, w, _ = values.shape
    for number, p in enumerate(PASSES):
        total = 0
        for view, weight in zip(
            tap_views(padded, number, *p.shape(h, w)), predictor[number], strict=True
        ):
            total = total + view * weight
        p.of(out)[...] = total >> (PREDICTOR_BITS - REMAINDER_BITS) if TAPS[number] else 0
    return out
