"""Rate–distortion curves: ours, the references', and published ones."""

from __future__ import annotations

import collections
import csv
import dataclasses
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.metrics import decibels

PUBLISHED = pathlib.Path(__file__).resolve().parent / "published.csv"
KODAK = frozenset(f"kodim{i:02}" for i in range(1, 25))


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points of one codec in one metric, by rate.

    Attributes:
      name: of the codec.
      bpp: (points,), ascending.
      quality: (points,), dB; MS-SSIM as `metrics.decibels` has it.
    """

    name: str
    bpp: np.ndarray
    quality: np.ndarray

    @classmethod
    def of(cls, name: str, points: Iterable[tuple[float, float]]) -> Curve:
        """Sorts points and leaves out those without finite figures."""
        known = sorted({(b, q) for b, q in points if math.isfinite(b) and math.isfinite(q)})
        bpp, quality = np.array(known, float).reshape(-1, 2).T
        return cls(name, bpp, quality)

    def rising(self) -> Curve:
        """Without the points that one of fewer bits equals or beats: nobody would use those."""
        before = np.concatenate([[-np.inf], np.maximum.accumulate(self.quality)[:-1]])
        keep = self.quality > before
        # Of several qualities at one rate the last is the best.
        keep &= np.append(np.diff(self.bpp) > 0, True)
        return Curve(self.name, self.bpp[keep], self.quality[keep])


def in_decibels(metric: str, value: float) -> float:
    """A figure of `metrics.METRICS` on the scale that curves are drawn in."""
    return decibels(value) if metric.startswith("ms_ssim") and not math.isnan(value) else value


def curves_of(rows: Iterable[Mapping[str, Any]], metric: str) -> dict[str, Curve]:
    """Curves by name from rows with `curve`, bpp and metric, in the order of the rows."""
    points = collections.defaultdict(list)
    for row in rows:
        points[row["curve"]].append((row["bpp"], in_decibels(metric, row[metric])))
    found = {name: Curve.of(name, mine) for name, mine in points.items()}
    return {name: curve for name, curve in found.items() if len(curve.bpp)}


def complete(rows: Sequence[Mapping[str, Any]], metric: str) -> list[Mapping[str, Any]]:
    """The rows of the pictures that every codec took at every setting, and that have the metric.

    A mean curve of others would have each point, or its rate, of other pictures.
    """
    points = {(r["codec"], r["setting"]) for r in rows}
    count = collections.Counter(r["image"] for r in rows if math.isfinite(r[metric]))
    return [r for r in rows if count[r["image"]] == len(points)]


def is_kodak(names: Iterable[str]) -> bool:
    """Whether pictures are the 24 of the Kodak set, by the names they are known under."""
    return sorted(pathlib.Path(n).stem.lower() for n in names) == sorted(KODAK)


def published(metric: str) -> dict[str, Curve]:
    """Published means over the Kodak set, of codecs measured in the metric's colour space."""
    figure, space = metric.rsplit("_", 1)
    points = collections.defaultdict(list)
    with PUBLISHED.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["space"] == space and row[figure]:
                value = in_decibels(metric, float(row[figure]))
                points[row["codec"]].append((float(row["bpp"]), value))
    return {name: Curve.of(name, mine) for name, mine in points.items()}
