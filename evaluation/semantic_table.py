"""Accuracies and calibration of what was measured, as tables for people and files."""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluation import calibration, classifier
from evaluation.accuracy import Ratio, Share, right
from evaluation.semantics import ORIGINAL, Measured, ModelUnderTest, answers

HEAD = "head"
DECODED, JPEG_EQUAL, JPEG_SMALLEST = "decoded pictures", "JPEG at equal bpp", "JPEG at its smallest"
# By a larger factor JPEG's bpp are no longer called equal.
MOST_EXCESS = 1.05
COLUMNS = (
    "set",
    "model",
    "fingerprint",
    "arch",
    "who",
    "sees",
    "classes",
    "pictures",
    "bpp",
    "psnr_rgb",
    "top1",
    "top1_low",
    "top1_high",
    "top5",
    "top5_low",
    "top5_high",
    "control",
    "share",
    "share_low",
    "share_high",
)


def calibrations(m: Measured, classes: tuple[int, ...]) -> dict[str, tuple[float, list]]:
    """Expected calibration error, and the rows of `calibration.table`, by model.

    Args:
      m: from `measure`.
      classes: from `find_classes`; models and sets of other classes are left out.
    """
    found = {}
    for s in m.subjects:
        own = s.own
        if classes and all(f"{own}_labels" in r for r in m.records[s.name]):
            labels = m.joined(s.name, f"{own}_labels")
            confidence = m.joined(s.name, f"{own}_confidence")
            right_ones = answers(m, s)[:, 0] == m.truth
            truth = np.array(classes)[m.truth]
            rows = calibration.table(s.name, labels[:, 0].astype(int), labels[:, 1], truth)
            found[s.name] = calibration.expected_error(confidence, right_ones), rows
    return found


def table(m: Measured, classes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Every accuracy with its intervals: COLUMNS, each model's own first, then the controls."""
    rows = []
    for s in m.subjects:
        if len(s.among) < len(s.order):
            some = m.joined(s.name, f"{s.own}_some")
            rows.append(_row(m, s, HEAD, f"{s.own} features", some, len(s.among)))
        rows.append(_row(m, s, HEAD, f"{s.own} features", answers(m, s), len(s.order)))
    for s in m.subjects:
        other = "dequantised" if s.arch == "pre" else "float"
        sees = f"{other} features, which it was not trained on"
        rows.append(_row(m, s, HEAD, sees, answers(m, s, other), len(s.order), control=True))
        if classes:
            rows += _classifier_rows(m, s, classes)
    if classes:
        rows += [
            _row(m, None, classifier.NAME, ORIGINAL, found, among, bpp=24.0, control=True)
            for found, among in _both(m, ORIGINAL, "answers", classes)
        ]
        _add_shares(m, rows, classes)
    return [{k: v for k, v in row.items() if k != "right"} for row in rows]


def _add_shares(m: Measured, rows: list[dict[str, Any]], classes: tuple[int, ...]) -> None:
    """Top-1 as a share of the classifier's own on the original, from as many classes."""
    original = {
        among: found[:, 0] == m.truth for found, among in _both(m, ORIGINAL, "answers", classes)
    }
    for row in rows:
        if row["classes"] in original:
            ratio = Ratio.of(row["right"], original[row["classes"]])
            row |= {"share": ratio.value, "share_low": ratio.low, "share_high": ratio.high}


def _both(m: Measured, name: str, field: str, classes: tuple[int, ...]):
    """The classifier's answers among the set's classes, then among all of its own, if more."""
    yield m.joined(name, field, "some"), len(classes)
    if len(classes) < classifier.CLASSES:
        order = np.full(classifier.CLASSES, -1)
        order[list(classes)] = np.arange(len(classes))
        yield order[m.joined(name, field, "all")], classifier.CLASSES


def _classifier_rows(
    m: Measured, s: ModelUnderTest, classes: tuple[int, ...]
) -> list[dict[str, Any]]:
    rows = []
    for field, sees in (("decoded", DECODED), ("jpeg", JPEG_EQUAL)):
        figures = {}
        if field == "jpeg":
            figures["bpp"] = _bpp(m, m.mean(s.name, "jpeg_bytes"))
            figures["psnr_rgb"] = m.mean(s.name, "jpeg_psnr_rgb")
            if jpeg_excess(m, s) > MOST_EXCESS:
                sees = JPEG_SMALLEST
        for found, among in _both(m, s.name, field, classes):
            rows.append(_row(m, s, classifier.NAME, sees, found, among, control=True, **figures))
    return rows


def jpeg_excess(m: Measured, subject: ModelUnderTest) -> float:
    """By which factor the JPEGs beside a model are larger: they cannot be as small as one likes."""
    return m.mean(subject.name, "jpeg_bytes") / m.mean(subject.name, "bytes")


def _bpp(m: Measured, mean_bytes: float) -> float:
    return 8 * mean_bytes / m.pixels


def _row(m: Measured, s: ModelUnderTest | None, who, sees, found, among, control=False, **figures):
    if s is not None:
        figures.setdefault("bpp", _bpp(m, m.mean(s.name, "bytes")))
        figures.setdefault("psnr_rgb", m.mean(s.name, "psnr_rgb"))
    row = {
        "set": m.set,
        "model": s.name if s else "",
        "fingerprint": s.fingerprint if s else "",
        "arch": s.arch if s else "",
        "who": who,
        "sees": sees,
        "classes": among,
        "pictures": len(m.truth),
        "control": "yes" if control else "no",
        "right": found[:, 0] == m.truth,
        **figures,
    }
    for count in (1, 5):
        share = Share.of(right(found, m.truth, count), len(m.truth))
        row |= {f"top{count}": share.value}
        row |= {f"top{count}_low": share.low, f"top{count}_high": share.high}
    return row
