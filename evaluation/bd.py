"""Bjøntegaard deltas: how much rate or quality one curve saves over another on average.

The headline is computed on each picture's curves and then averaged. Mean curves
hide which picture got which bits: a codec run at a constant rate and one run at
a constant quality have mean curves that cannot be compared. Published results
exist as mean curves only, so deltas against those are marked as such.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.curves import Curve, complete, curves_of
from evaluation.metrics import METRICS
from evaluation.tables import DASH

LEAST_POINTS = 4
METHOD = "akima"
PER_PICTURE, MEAN_CURVES = "per picture", "mean curves"
NO_OVERLAP = "the curves do not overlap"

COLUMNS = (
    "metric",
    "curve",
    "reference",
    "of",
    "pictures",
    "bd_rate_percent",
    "bd_quality_db",
    "quality_from",
    "quality_to",
    "bpp_from",
    "bpp_to",
    "note",
)


@dataclasses.dataclass(frozen=True)
class Delta:
    """One curve against another.

    Attributes:
      rate: BD-rate in percent, negative if the curve needs fewer bits; nan if
        there is none.
      quality: BD-PSNR, or the same of MS-SSIM, in dB; nan if there is none.
      quality_range: in which the rates were compared, dB; nan if they do not overlap.
      rate_range: in which the qualities were compared, bpp.
      note: why there is none; "" if there is.
    """

    rate: float = math.nan
    quality: float = math.nan
    quality_range: tuple[float, float] = (math.nan, math.nan)
    rate_range: tuple[float, float] = (math.nan, math.nan)
    note: str = ""


def compare(curve: Curve, reference: Curve) -> Delta:
    """BD-rate and BD-PSNR of a curve over a reference."""
    curve, reference = curve.rising(), reference.rising()
    for c in (curve, reference):
        if len(c.bpp) < LEAST_POINTS:
            points = "one usable point" if len(c.bpp) == 1 else f"{len(c.bpp)} usable points"
            return Delta(note=f"{c.name} has {points}; {LEAST_POINTS} are needed")
    quality = _overlap(curve.quality, reference.quality)
    rate = _overlap(curve.bpp, reference.bpp)
    if quality is None or rate is None:
        return Delta(note=NO_OVERLAP)
    return Delta(
        rate=_delta("bd_rate", curve, reference),
        quality=_delta("bd_psnr", curve, reference),
        quality_range=quality,
        rate_range=rate,
    )


def _overlap(a: np.ndarray, b: np.ndarray) -> tuple[float, float] | None:
    low, high = max(a.min(), b.min()), min(a.max(), b.max())
    return (float(low), float(high)) if low < high else None


def _delta(name: str, curve: Curve, reference: Curve) -> float:
    import bjontegaard

    with warnings.catch_warnings():
        # Narrow overlaps are not warned of but printed, with every result.
        warnings.simplefilter("ignore")
        return float(
            getattr(bjontegaard, name)(
                reference.bpp,
                reference.quality,
                curve.bpp,
                curve.quality,
                method=METHOD,
                require_matching_points=False,
                min_overlap=0,
            )
        )


def average(deltas: Sequence[Delta]) -> Delta:
    """The mean of several pictures' deltas and ranges, of those that have them."""
    found = [d for d in deltas if not d.note]
    if not found:
        reasons = {d.note: None for d in deltas}
        return Delta(note="; ".join(reasons))
    return Delta(
        rate=float(np.mean([d.rate for d in found])),
        quality=float(np.mean([d.quality for d in found])),
        quality_range=_mean_range([d.quality_range for d in found]),
        rate_range=_mean_range([d.rate_range for d in found]),
    )


def _mean_range(ranges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    low, high = np.mean(ranges, axis=0)
    return float(low), float(high)


def table(
    rows: Sequence[Mapping[str, Any]],
    means: Mapping[str, Mapping[str, Curve]],
    published: Mapping[str, Mapping[str, Curve]],
) -> list[dict[str, Any]]:
    """Every model curve against every reference, in every metric.

    Args:
      rows: of pictures, as `rate_distortion.measure` returns them.
      means: by metric, curves of means over the pictures.
      published: by metric, published mean curves, if they belong beside these pictures.

    Returns:
      Rows with COLUMNS: per picture first, then of mean curves.
    """
    lines = []
    for metric in METRICS:
        pictures = [curves_of(mine, metric) for mine in _by_picture(rows)]
        mean = means.get(metric, {})
        known = len({r["image"] for r in complete(rows, metric)})
        others = published.get(metric, {})
        # A picture's own curves need nothing of the other pictures, means need all.
        names = dict.fromkeys([*mean, *(n for p in pictures for n in p)])
        measured = [n for n in names if not n.startswith("DeepSIC")]
        for name in (n for n in names if n.startswith("DeepSIC")):
            for reference in measured:
                each = [
                    compare(p[name], p[reference]) for p in pictures if {name, reference} <= {*p}
                ]
                count = sum(not d.note for d in each)
                lines.append(_line(metric, name, reference, PER_PICTURE, count, average(each)))
            if name not in mean:
                continue
            here = {n: mean[n] for n in measured if n in mean}
            for reference, curve in [*here.items(), *others.items()]:
                shown = reference if reference in here else f"{reference}, published"
                delta = compare(mean[name], curve)
                lines.append(_line(metric, name, shown, MEAN_CURVES, known, delta))
    return lines


def _by_picture(rows: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["image"], []).append(row)
    return list(found.values())


def _line(metric, curve, reference, of, pictures, delta: Delta) -> dict[str, Any]:
    return {
        "metric": metric,
        "curve": curve,
        "reference": reference,
        "of": of,
        "pictures": pictures,
        "bd_rate_percent": delta.rate,
        "bd_quality_db": delta.quality,
        "quality_from": delta.quality_range[0],
        "quality_to": delta.quality_range[1],
        "bpp_from": delta.rate_range[0],
        "bpp_to": delta.rate_range[1],
        "note": delta.note,
    }


HEADS = ("curve", "over", "BD-rate", "BD-quality", "overlap", "rates", "pictures", "")


def cells(d: Mapping[str, Any]) -> list[str]:
    """One delta for people, under HEADS; dashes where there is none."""
    dash, there = DASH, not d["note"]
    return [
        d["curve"],
        d["reference"],
        f"{d['bd_rate_percent']:+.1f}%" if there else dash,
        f"{d['bd_quality_db']:+.2f} dB" if there else dash,
        f"{d['quality_from']:.1f}–{d['quality_to']:.1f} dB" if there else dash,
        f"{d['bpp_from']:.2f}–{d['bpp_to']:.2f} bpp" if there else dash,
        str(d["pictures"]),
        d["note"],
    ]
