"""Whether probabilities are true is counted as it should be."""

import numpy as np
import pytest

from deepsic import taxonomy
from evaluation import calibration
from evaluation.accuracy import Ratio


def test_the_expected_error_is_the_distance_of_confidence_and_accuracy():
    right = np.array([True] * 80 + [False] * 20)
    assert calibration.expected_error(np.full(100, 0.8), right) == pytest.approx(0)
    assert calibration.expected_error(np.full(100, 0.5), right) == pytest.approx(0.3)
    # In two bins, errors on either side do not cancel.
    confidence = np.array([0.9] * 80 + [0.4] * 20)
    assert calibration.expected_error(confidence, right) == pytest.approx(0.8 * 0.1 + 0.2 * 0.4)


def test_labels_are_true_if_the_class_is_below_them():
    known = taxonomy.imagenet()
    tabby, cat = 281, known.nodes_called("domestic cat")[0]
    rows = calibration.table(
        "m", [cat, cat, tabby, tabby], [0.6, 0.8, 0.5, 0.7], [281, 0, 281, 282]
    )
    by_depth = {r["depth"]: r for r in rows}
    assert by_depth["all"]["true"] == 0.5
    assert by_depth["a class"]["labels"] == by_depth["a general word"]["labels"] == 2
    assert by_depth["a general word"]["probability"] == pytest.approx(0.7)
    assert sum(r["labels"] for r in rows if r["depth"].startswith("depth")) == 4


def test_ratios_are_of_the_same_pictures():
    ours, theirs = np.array([1, 1, 0, 1] * 50, bool), np.array([1, 1, 1, 1] * 50, bool)
    ratio = Ratio.of(ours, theirs)
    assert ratio.value == 0.75
    assert 0.65 < ratio.low < 0.75 < ratio.high < 0.85
    assert Ratio.of(theirs, theirs) == Ratio(1.0, 1.0, 1.0)
    assert np.isnan(Ratio.of(ours, ~theirs).value)
