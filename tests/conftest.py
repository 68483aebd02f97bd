"""Models shared by the tests."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import pytest

from tools.robustness.small_models import make_model


@pytest.fixture(scope="session")
def pre(tmp_path_factory):
    """Folder of a small `pre` model."""
    return make_model(tmp_path_factory.mktemp("models") / "pre", "pre")


@pytest.fixture(scope="session")
def post(tmp_path_factory):
    """Folder of a small `post` model."""
    return make_model(tmp_path_factory.mktemp("models") / "post", "post")
