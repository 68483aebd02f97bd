"""Benchmarks of rate and quality: what they print of a small model, and how they count."""

import json

from PIL import Image

from tests.calls import call
from tools.robustness.small_models import photo


def computed(module, code):
    """What some lines leave in `found`, run where the benchmark is: its flags are its own."""
    code = f"import json\nimport numpy as np\nfrom tools.benchmarks import {module}\n{code}\n"
    return json.loads(call("-c", f"{code}print(json.dumps(found))")[0])


def test_a_model_is_compared_at_its_own_rate(pre, tmp_path):
    Image.fromarray(photo(120, 150)).save(tmp_path / "a.png")
    arguments = ["-m", "tools.benchmarks.versus", f"--images={tmp_path}/*.png", "--crop=96"]
    out, _ = call(*arguments, f"--models={pre.path}", "--references=jpeg2000,webp")
    heads, row, *_ = out.splitlines()
    assert heads.split() == ["model", "bpp", "PSNR", "JPEG", "2000", "WebP", "smooth", "busy"]
    name, bpp, psnr, *above, smooth, busy = row.split()
    assert name == pre.name
    assert 0 < float(bpp) < 24
    assert 5 < float(psnr) < 60
    assert len(above) == 2
    assert min(float(smooth), float(busy)) > 0


def test_errors_of_smooth_and_busy_blocks_are_told_apart():
    code = """
x = np.full((32, 32, 3), 100, np.uint8)
x[:, 16:] = np.random.default_rng(1).integers(0, 256, (32, 16, 3))
x_hat = x.copy()
x_hat[:, :16] += 2
found = [float(error) for error in versus.block_errors(x, x_hat)]
"""
    assert computed("versus", code) == [4, 0]


def test_a_step_on_the_curve_loses_nothing_and_one_beside_it_its_distance():
    code = """
psnr = np.array([29.0, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0])
bpp = np.exp(0.2 * psnr)
bpp[2] *= 1.03
trained = np.array([False, True, False, True, False, True, False])
low, high = slice(0, 4), slice(4, 7)
curves = [(bpp[part], psnr[part], trained[part]) for part in (low, high)]
found = [str(round(float(loss), 6)) for part in steps.losses(curves) for loss in part]
"""
    assert computed("steps", code) == ["nan", "0.0", "3.0", "0.0", "0.0", "0.0", "nan"]


def test_misses_are_of_pictures_that_were_in_reach():
    code = """
def row(got, short):
    values = ("a.png", "bpp", 0.5, got, 100, got, 30.0, "m", short, 1.0)
    return dict(zip(targets.COLUMNS, values, strict=True))
rows = [row(0.49, False), row(0.5, False), row(0.2, True)]
found = targets.summary(rows, "bpp", 0.5)
"""
    line = computed("targets", code)
    assert line[:4] == ["bpp", "0.5", "-2.00%", "+0.00%"]
    assert line[-1] == "1"
