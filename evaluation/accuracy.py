"""How often a classifier is right, and how sure one can be of that."""

from __future__ import annotations

import dataclasses

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
