"""Transparency comes back exactly, hidden pixels are cheap, and what is too ragged is refused."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from deepsic import alpha
from deepsic.errors import BadFile, CorruptFile
from tools.robustness.small_pictures import photograph


def mask(soft, width=96, height=64):
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).ellipse((10, 5, width - 9, height - 9), fill=255)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1)) if soft else image)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("size", [(96, 64), (97, 61), (1, 1), (20_000, 3)])
def test_transparency_comes_back_exactly(soft, size):
    wanted = (
        mask(soft, *size) if min(size) > 20 else np.full(size[::-1], 7 if soft else 0, np.uint8)
    )
    np.testing.assert_array_equal(alpha.decode(alpha.encode(wanted), *wanted.shape), wanted)


def test_hard_masks_are_small():
    assert len(alpha.encode(mask(False, 768, 512))) < 768 * 512 / 8 / 50


def test_what_takes_too_much_is_refused_with_the_flag_that_helps():
    noise = np.random.default_rng(0).integers(0, 256, (100, 100), np.uint8)
    with pytest.raises(BadFile, match="--background"):
        alpha.encode(noise)


@pytest.mark.parametrize("data", [b"", b"garbage", alpha.encode(mask(False))[:-20]])
def test_damaged_transparency_is_said_to_be(data):
    with pytest.raises(CorruptFile, match="transparency"):
        alpha.decode(data, 64, 96)


def test_transparency_of_another_size_is_refused_before_it_is_decoded():
    with pytest.raises(CorruptFile, match="size is another"):
        alpha.decode(alpha.encode(mask(False)), 64, 95)


def test_hidden_pixels_go_on_from_the_visible_ones():
    x = np.full((64, 96, 3), (200, 100, 50), np.uint8)
    shape = mask(False)
    x[shape == 0] = 0
    filled = alpha.fill(x, shape)
    np.testing.assert_allclose(filled, np.full_like(x, (200, 100, 50)), atol=1)
    y = photograph(1, 64, 96)
    np.testing.assert_array_equal(alpha.fill(y, shape)[shape > 0], y[shape > 0])


def test_wholly_transparent_pictures_have_some_colour():
    assert alpha.fill(photograph(1, 9, 17), np.zeros((9, 17), np.uint8)).std() == 0
