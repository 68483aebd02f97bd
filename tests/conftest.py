"""Models shared by the tests."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import pytest
from hypothesis import settings
from PIL import Image

from tests.calls import call
from tools.robustness.small_models import make_model, photo

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def pre(tmp_path_factory):
    """Folder of a small `pre` model."""
    return make_model(tmp_path_factory.mktemp("models") / "pre", "pre")


@pytest.fixture(scope="session")
def post(tmp_path_factory):
    """Folder of a small `post` model."""
    return make_model(tmp_path_factory.mktemp("models") / "post", "post")


@pytest.fixture
def picture(tmp_path):
    """A small picture."""
    path = tmp_path / "in.png"
    Image.fromarray(photo(50, 70)).save(path)
    return path


@pytest.fixture(scope="module")
def coded(pre, tmp_path_factory):
    """A picture's file, and what was printed about it."""
    folder = tmp_path_factory.mktemp("coded")
    Image.fromarray(photo(50, 70)).save(folder / "in.png")
    out, _ = call("compress.py", folder / "in.png", folder / "in.dsic", f"--model={pre.path}")
    return folder / "in.dsic", out
