"""Shares and intervals against values worked by hand."""

import math

import numpy as np
import pytest

from evaluation.accuracy import Share, best, confusion, right


def wilson(hits, n, z=1.959963984540054):
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - half, centre + half


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (7, 10), (812, 1960)])
def test_intervals_are_wilsons(hits, n):
    share = Share.of(hits, n)
    assert share.value == hits / n
    assert (share.low, share.high) == pytest.approx(wilson(hits, n), abs=1e-9)


def test_best_answers_first_and_ties_by_number():
    scores = np.array([[0.1, 0.5, 0.2, 0.2], [0, 0, 0, 1.0]])
    assert best(scores, 3).tolist() == [[1, 2, 3], [3, 0, 1]]
    assert best(scores).shape == (2, 4)


def test_right_among_the_first():
    answers = np.array([[3, 1], [2, 0], [0, 2], [-1, 1]])
    truth = np.array([1, 2, 1, 1])
    assert right(answers, truth, 1) == 1
    assert right(answers, truth, 5) == 3


def test_confusion_counts_other_answers_apart():
    counts = confusion(np.array([0, 1, 1, -1, 7]), np.array([0, 0, 1, 1, 1]), 2)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 2]]
