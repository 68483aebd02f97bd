"""Models shared by the tests."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import pytest
from hypothesis import settings

from tools.robustness.small_models import make_model

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
