"""Whether a head's probabilities are true, and how often its labels are, by depth in the tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepsic import taxonomy
from evaluation.accuracy import Share

COLUMNS = ("model", "depth", "labels", "true", "true_low", "true_high", "probability", "example")
HEADS = ("model", "label", "pictures", "true", "95%", "said", "such as")
# Depths from here on are counted together.
DEEPEST = 12
_ALL = "all"


def expected_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, by equal bins.

    Args:
      confidence: float (N,), 0 to 1, of the answers given.
      right: bool (N,), whether they were true.
      bins: of equal width.
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[place == b].sum() - right[place == b].sum()) for b in np.unique(place)]
    return float(np.sum(gaps) / len(confidence))


def table(
    model: str,
    nodes: Sequence[int] | np.ndarray,
    probabilities: Sequence[float] | np.ndarray,
    truth: Sequence[int] | np.ndarray,
) -> list[dict[str, Any]]:
    """A row of COLUMNS for each depth of labels at threshold, the first for all of them.

    Args:
      model: its name.
      nodes: of ImageNet's tree, the label of each picture.
      probabilities: that the labels came with.
      truth: ImageNet's numbers of the pictures' classes.
    """
    known = taxonomy.imagenet()
    depth = np.array([min(DEEPEST, len(known.tree.path(n)) - 1) for n in nodes])
    hit = np.array([n in known.tree.path(t) for n, t in zip(nodes, truth, strict=True)])
    leaf = np.array([n < known.classes for n in nodes])
    said = np.asarray(probabilities, float)
    groups = [(_ALL, np.ones(len(depth), bool)), ("a class", leaf), ("a general word", ~leaf)]
    groups += [(f"depth {d}" + "+" * int(d == DEEPEST), depth == d) for d in np.unique(depth)]
    rows = []
    for name, mine in groups:
        if not mine.any():
            continue
        share = Share.of(int(hit[mine].sum()), int(mine.sum()))
        row = {"model": model, "depth": name, "labels": int(mine.sum()), "true": share.value}
        row |= {"true_low": share.low, "true_high": share.high}
        row |= {"probability": float(said[mine].mean()), "example": ""}
        if name.startswith("depth"):
            common = np.bincount(np.asarray(nodes)[mine]).argmax()
            row["example"] = known.names[int(common)]
        rows.append(row)
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """A row for people, under HEADS."""
    interval = f"{row['true_low']:.1%}–{row['true_high']:.1%}"
    shares = [f"{row['true']:.1%}", interval, f"{row['probability']:.1%}"]
    return [row["model"], row["depth"], str(row["labels"]), *shares, row["example"]]
