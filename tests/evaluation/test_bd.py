"""Deltas between curves whose distance is known."""

import math

import numpy as np
import pytest

from evaluation import bd
from evaluation.curves import Curve, complete, curves_of
from evaluation.metrics import METRICS

RATES = np.array([0.1, 0.2, 0.4, 0.8, 1.6])


def line(name, factor=1.0, lift=0.0, rates=RATES):
    """6 dB for each doubling of the rate, so every delta can be worked out by hand."""
    return Curve(name, rates * factor, 40 + 6 * np.log2(rates) + lift)


def test_half_the_bits_are_minus_fifty_percent():
    delta = bd.compare(line("ours", factor=0.5), line("theirs"))
    assert delta.rate == pytest.approx(-50)
    assert delta.quality == pytest.approx(6)
    assert delta.note == ""


def test_one_decibel_more():
    delta = bd.compare(line("ours", lift=1.0), line("theirs"))
    assert delta.quality == pytest.approx(1)
    assert delta.rate == pytest.approx(100 * (2 ** (-1 / 6) - 1))


def test_ranges_are_those_of_both():
    delta = bd.compare(line("ours", rates=RATES[:4]), line("theirs", rates=RATES[1:]))
    assert delta.rate_range == (0.2, 0.8)
    assert delta.quality_range == pytest.approx((40 + 6 * math.log2(0.2), 40 + 6 * math.log2(0.8)))
    assert delta.rate == pytest.approx(0, abs=1e-9)


def _area(values, at):
    """Trapezoids; NumPy has them under two names."""
    return ((values[1:] + values[:-1]) / 2 * np.diff(at)).sum()


def test_rate_is_the_integral_of_log_rates():
    """Against trapezoids over dense points of two smooth curves."""
    quality = np.linspace(28, 38, 9)
    ours, theirs = np.exp(0.18 * quality - 6), np.exp(0.15 * quality - 4.8 + 0.002 * quality**1.5)
    dense = np.linspace(28, 38, 2001)
    gap = (0.18 * dense - 6) - (0.15 * dense - 4.8 + 0.002 * dense**1.5)
    expected = 100 * (np.exp(_area(gap, dense) / 10) - 1)
    delta = bd.compare(Curve("a", ours, quality), Curve("b", theirs, quality))
    assert delta.rate == pytest.approx(expected, abs=0.05)


def test_curves_apart_have_no_delta():
    delta = bd.compare(line("ours", lift=100), line("theirs"))
    assert math.isnan(delta.rate)
    assert math.isnan(delta.quality)
    assert delta.note == bd.NO_OVERLAP


def test_one_point_is_no_curve():
    delta = bd.compare(line("ours", rates=RATES[:1]), line("theirs"))
    assert math.isnan(delta.rate)
    assert "ours has one usable point" in delta.note


def rows_of(picture, curve, points):
    values = dict.fromkeys(("psnr_rgb", "ms_ssim_rgb", "ms_ssim_luma"), math.nan)
    name = {"image": picture, "curve": curve, "codec": curve, **values}
    return [
        {**name, "setting": str(i), "bpp": b, "psnr_luma": q} for i, (b, q) in enumerate(points)
    ]


def mean_curves(rows):
    return {m: curves_of(rows, m) for m in METRICS}


def points(curve):
    return list(zip(curve.bpp.tolist(), curve.quality.tolist(), strict=True))


def test_the_headline_is_the_mean_of_pictures():
    rows = []
    for picture, factor in (("a", 0.5), ("b", 0.8), ("c", None)):
        ours = line("", factor=factor) if factor else line("", lift=100)
        rows += rows_of(picture, "DeepSIC pre", points(ours))
        rows += rows_of(picture, "JPEG", points(line("")))
    without_means = bd.table(rows, {}, {})
    assert [d["of"] for d in without_means] == [bd.PER_PICTURE]
    means = rows_of("", "DeepSIC pre", points(line("", factor=0.6)))
    means += rows_of("", "JPEG", points(line("")))
    published = {"psnr_luma": {"VTM": line("VTM", factor=0.3)}}
    per_picture, mean, vtm = bd.table(rows, mean_curves(means), published)
    assert per_picture == without_means[0]
    assert per_picture["of"] == bd.PER_PICTURE
    assert per_picture["bd_rate_percent"] == pytest.approx((-50 - 20) / 2)
    assert per_picture["pictures"] == 2
    assert mean["of"] == bd.MEAN_CURVES
    assert mean["bd_rate_percent"] == pytest.approx(-40)
    assert vtm["reference"] == "VTM, published"
    assert vtm["bd_rate_percent"] == pytest.approx(100)


def test_cells_have_dashes_where_there_is_nothing():
    rows = rows_of("a", "DeepSIC pre", points(line("", rates=RATES[:1])))
    rows += rows_of("a", "JPEG", points(line("")))
    cells = bd.cells(bd.table(rows, mean_curves(rows), {})[0])
    assert cells[2:6] == ["–"] * 4
    assert len(cells) == len(bd.HEADS)


def test_mean_curves_are_of_pictures_that_have_every_point():
    rows = rows_of("a", "JPEG", [(0.1, 30.0), (0.2, 31.0)])
    rows += rows_of("b", "JPEG", [(0.3, 30.0)])  # the other setting was refused
    rows += rows_of("c", "JPEG", [(0.4, 30.0), (0.5, math.nan)])
    assert {r["image"] for r in complete(rows, "psnr_luma")} == {"a"}
    assert complete(rows, "ms_ssim_luma") == []
