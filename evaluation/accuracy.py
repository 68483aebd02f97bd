"""How often a classifier is right, and how sure one can be of that."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Share:
    """A share of pictures with its 95% interval (Wilson's), 0 to 1."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, pictures: int) -> Share:
        """From counts; there must be a picture."""
        from scipy.stats import binomtest

        interval = binomtest(hits, pictures).proportion_ci(CONFIDENCE, method="wilson")
        return cls(hits / pictures, float(interval.low), float(interval.high))


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How often one is right over how often another is, on the same pictures, with a 95% interval.

    The interval is that of drawing as many pictures again and again (bootstrap).
    """

    value: float
    low: float
    high: float
    DRAWS: ClassVar[int] = 2000

    @classmethod
    def of(cls, ours: np.ndarray, theirs: np.ndarray) -> Ratio:
        """From bool (N,) each; NaN if the other is never right."""
        if not theirs.any():
            return cls(np.nan, np.nan, np.nan)
        drawn = np.random.default_rng(0).integers(len(ours), size=(cls.DRAWS, len(ours)))
        ratios = ours[drawn].sum(axis=1) / np.maximum(1, theirs[drawn].sum(axis=1))
        low, high = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return cls(float(ours.sum() / theirs.sum()), float(low), float(high))


def best(scores: np.ndarray, count: int = 5) -> np.ndarray:
    """The classes with the highest scores, best first: int (N, count), of (N, classes)."""
    return np.argsort(-scores, axis=-1, kind="stable")[:, :count]


def right(answers: np.ndarray, truth: np.ndarray, among: int) -> int:
    """How many pictures have their class among the first answers.

    Args:
      answers: int (N, any), best first.
      truth: int (N,).
      among: how many answers count: 1 or 5.
    """
    return int((answers[:, :among] == truth[:, None]).any(axis=1).sum())


def confusion(answers: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Pictures by class (rows) and answer (columns): int (classes, classes + 1).

    The last column counts answers that are none of the classes.
    """
    answers = np.where((answers >= 0) & (answers < classes), answers, classes)
    counts = np.zeros((classes, classes + 1), int)
    np.add.at(counts, (truth, answers), 1)
    return counts
