"""Curves, and the published ones beside ours."""

import numpy as np
import pytest

from evaluation import curves
from evaluation.curves import Curve
from evaluation.metrics import METRICS


def test_points_are_sorted_and_finite():
    found = Curve.of("a", [(2, 40), (1, 30), (3, float("inf")), (0.5, float("nan"))])
    assert found.bpp.tolist() == [1, 2]
    assert found.quality.tolist() == [30, 40]
    assert len(Curve.of("a", []).bpp) == 0


def test_points_that_others_beat_are_left_out():
    found = Curve.of("a", [(1, 30), (1, 31), (2, 29), (3, 33), (4, 33), (5, 34)]).rising()
    assert found.bpp.tolist() == [1, 3, 5]
    assert found.quality.tolist() == [31, 33, 34]


def test_rows_become_curves_by_name():
    rows = [
        {"curve": "b", "bpp": 1.0, "ms_ssim_rgb": 0.99},
        {"curve": "a", "bpp": 0.5, "ms_ssim_rgb": float("nan")},
        {"curve": "b", "bpp": 0.5, "ms_ssim_rgb": 0.9},
    ]
    found = curves.curves_of(rows, "ms_ssim_rgb")
    assert list(found) == ["b"]
    assert found["b"].quality == pytest.approx([10, 20])


def test_published_points_stay_in_their_colour_space():
    assert "Toderici 2017" in curves.published("psnr_rgb")
    assert "Toderici 2017" not in curves.published("psnr_luma")
    rippel = [m for m in METRICS if "Rippel 2017" in curves.published(m)]
    assert rippel == ["ms_ssim_rgb"]
    assert "Ballé 2017 / bmshj2018-factorized" in curves.published("psnr_luma")


@pytest.mark.parametrize("metric", METRICS)
def test_published_curves_are_curves(metric):
    for curve in curves.published(metric).values():
        assert len(curve.rising().bpp) >= 4
        assert (np.diff(curve.bpp) >= 0).all()
        assert curve.bpp.max() <= 3
        assert 5 < curve.quality.min() < curve.quality.max() < 60


def test_a_published_point_by_hand():
    curve = curves.published("psnr_luma")["Ballé 2017 / bmshj2018-factorized"]
    at = curve.bpp.tolist().index(0.48106)
    assert curve.quality[at] == 32.190087


def test_kodak_is_all_of_kodak():
    names = [f"set/kodim{i:02}.PNG" for i in range(1, 25)]
    assert curves.is_kodak(names)
    assert not curves.is_kodak(names[1:])
    assert not curves.is_kodak([*names, "more.png"])
