"""Figures: told apart without colour, the same every time."""

import itertools

import numpy as np
import pytest

from evaluation import plots, semantic_plot, semantic_table
from evaluation.curves import curves_of, published
from evaluation.metrics import METRICS
from evaluation.references import REFERENCES


def test_every_codec_has_a_style_of_its_own():
    for metric in METRICS:
        assert set(published(metric)) <= set(plots.STYLES)
    assert {r.name for r in REFERENCES} <= set(plots.STYLES)


def test_lines_in_one_figure_differ_without_colour():
    ours = ["DeepSIC pre", "DeepSIC post"]
    for others in ([r.name for r in REFERENCES], list(published("ms_ssim_rgb"))):
        shapes = [plots.STYLES[n][1:] for n in ours + others]
        assert all(a != b for a, b in itertools.combinations(shapes, 2))


@pytest.fixture
def rows():
    bpp = np.linspace(0.1, 1.5, 5)
    names = {"setting": "x", "image": "a.png", "ms_ssim_rgb": float("nan")}
    return [
        {**names, "curve": curve, "codec": curve, "bpp": b, "psnr_rgb": 30 + b + lift}
        | {"psnr_luma": 31 + b + lift, "ms_ssim_luma": 0.9 + b / 20}
        for curve, lift in (("DeepSIC pre", 1.0), ("JPEG 2000", 0.0))
        for b in bpp
    ]


def test_figures_are_the_same_every_time(rows, tmp_path):
    means = {m: curves_of(rows, m) for m in METRICS}
    for folder in ("one", "two"):
        names = plots.draw_all(tmp_path / folder, rows, means, {})
    assert names == ["psnr_rgb", "psnr_luma", "psnr_luma_each", "ms_ssim_luma", "ms_ssim_luma_each"]
    for name, kind in itertools.product(names, ("png", "svg")):
        one, two = ((tmp_path / f / f"{name}.{kind}").read_bytes() for f in ("one", "two"))
        assert one == two


def test_accuracy_is_drawn_of_own_rows_and_of_controls(tmp_path):
    share = {"top1": 0.5, "top1_low": 0.4, "top1_high": 0.6}
    head = {"who": "head", "arch": "pre", "model": "a", "classes": 10, "psnr_rgb": 30.0, **share}
    rows = [
        {**head, "bpp": 0.5, "control": "no", "sees": "float features"},
        {**head, "bpp": 0.2, "control": "no", "sees": "float features"},
        {**head, "bpp": 0.9, "control": "yes", "sees": "dequantised features"},
    ]
    assert [p[0] for p in semantic_plot.points(rows, "head", (), "pre")] == [0.2, 0.5]
    semantic_plot.draw(tmp_path / "accuracy", rows)
    assert (tmp_path / "accuracy.png").exists()


def test_controls_of_one_codec_are_drawn_once():
    decoded = {"sees": semantic_table.DECODED, "who": "classifier"}
    rows = [
        {**decoded, "model": "pre-a", "arch": "pre", "psnr_rgb": 30.5},
        {**decoded, "model": "post-a", "arch": "post", "psnr_rgb": 30.5},
        {**decoded, "model": "post-b", "arch": "post", "psnr_rgb": 31.5},
    ]
    assert semantic_plot.repeated(rows) == {"post-a"}
