"""Small models and pictures for tests of the library."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

import deepsic
from tools.robustness.small_models import photo


@pytest.fixture
def copy(pre, tmp_path):
    """A model's folder to spoil."""
    return shutil.copytree(pre.path, tmp_path / "m")


@pytest.fixture(scope="module", params=["pre", "post"])
def codec(request):
    """A small model of each architecture."""
    return deepsic.load(request.getfixturevalue(request.param).path)


@pytest.fixture(scope="module")
def x():
    """A small picture."""
    return photo(70, 90)


def ellipse():
    """The transparency of a picture like `x`, uint8 (70, 90)."""
    alpha = Image.new("L", (90, 70))
    ImageDraw.Draw(alpha).ellipse((9, 9, 80, 60), fill=255)
    return np.asarray(alpha)


def with_metadata(x):
    """A PIL image with EXIF, which turns it, and XMP."""
    image = Image.fromarray(x)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    image.info |= {"exif": exif.tobytes(), "xmp": b"<x:xmpmeta/>"}
    return image
