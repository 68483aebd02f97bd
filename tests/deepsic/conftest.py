"""Models that tests of the library change."""

import shutil

import pytest


@pytest.fixture
def copy(pre, tmp_path):
    """A model's folder to spoil."""
    return shutil.copytree(pre.path, tmp_path / "m")
