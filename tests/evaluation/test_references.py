"""Other codecs: settings that count, and rates that are hit."""

import io

import numpy as np
import pytest
from PIL import Image

from data.samples import sample_images
from deepsic.distortion import psnr
from evaluation.references import JPEG, JPEG2000, REFERENCES, choose

X = sample_images()["coffee"][:192, :256]
THERE = [r for r in REFERENCES if r.available]


@pytest.mark.parametrize("reference", THERE, ids=lambda r: r.key)
def test_curves_rise(reference):
    ends = reference.values[0], reference.values[-1]
    files = [reference.encode(X, v) for v in ends]
    qualities = [psnr(X, reference.decode(f)) for f in files]
    assert len(files[0]) < len(files[1])
    assert qualities[0] + 3 < qualities[1]
    assert sorted(reference.values) == list(reference.values)


def test_the_codecs_of_the_paper_and_of_today_are_there():
    assert {"jpeg420", "jpeg444", "jpeg2000", "webp", "avif"} <= {r.key for r in THERE}


def test_jpeg_2000_has_its_colour_transform():
    plain = io.BytesIO()
    Image.fromarray(X).save(plain, "JPEG2000", quality_mode="rates", quality_layers=[48])
    weak = psnr(X, JPEG2000.decode(plain.getvalue()))
    assert psnr(X, JPEG2000.decode(JPEG2000.encode(X, 0.5))) > weak + 1


@pytest.mark.parametrize("key", ["jpeg420", "jpeg444"])
def test_jpegs_are_optimised_and_subsampled_as_they_say(key):
    reference = next(r for r in REFERENCES if r.key == key)
    data = reference.encode(X, 50)
    plain = io.BytesIO()
    Image.fromarray(X).save(plain, "JPEG", quality=50, subsampling=reference.name[-5:])
    assert len(data) < len(plain.getvalue())
    for progressive in (False, True):
        out = io.BytesIO()
        options = {"subsampling": reference.name[-5:], "progressive": progressive}
        Image.fromarray(X).save(out, "JPEG", quality=50, optimize=True, **options)
        assert len(data) <= len(out.getvalue())
    layers = Image.open(io.BytesIO(data)).layer
    assert layers[0][1:3] == ((2, 2) if key == "jpeg420" else (1, 1))


@pytest.mark.parametrize("bpp", [0.4, 1.0, 2.0])
def test_the_nearest_rate_is_the_nearest_of_all(bpp):
    _, data = JPEG.nearest_rate(X, bpp)
    every = [len(JPEG.encode(X, q)) for q in range(1, 96)]
    target = bpp * X.shape[0] * X.shape[1] / 8
    assert abs(len(data) - target) == min(abs(n - target) for n in every)


def test_jpeg_2000_takes_a_rate():
    _, data = JPEG2000.nearest_rate(X, 0.5)
    assert 8 * len(data) / (192 * 256) == pytest.approx(0.5, rel=0.05)


def test_unreachable_rates_give_the_end_of_the_curve():
    assert JPEG.nearest_rate(X, 1e-6)[0] == 1
    assert JPEG.nearest_rate(X, 100)[0] == 95


def test_settings_are_printed():
    assert JPEG2000.setting(0.5) == "bpp=0.5 irreversible=True mct=1"
    assert "subsampling=4:2:0" in JPEG.settings
    assert "progressive=shortest of False|True" in JPEG.setting(50)


def test_choice_by_key():
    assert [r.key for r in choose(["jpeg2000", "jpeg420"])[0]] == ["jpeg420", "jpeg2000"]
    assert choose(["none"]) == ([], [])
    with pytest.raises(ValueError, match="jpeg2000"):
        choose(["gif"])


@pytest.mark.parametrize("reference", THERE, ids=lambda r: r.key)
def test_the_smallest_pictures_go_through(reference):
    x = np.full((1, 2, 3), 77, np.uint8)
    assert reference.decode(reference.encode(x, reference.values[-1])).shape == x.shape
