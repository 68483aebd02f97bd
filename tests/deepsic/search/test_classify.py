"""What the heads of post models say in a search."""

import shutil

import pytest

import deepsic
from deepsic import store
from deepsic.registry import Registry
from deepsic.search import reading
from tests.golden import shipped


def test_files_of_several_steps_are_each_asked_at_their_own(tmp_path):
    """They are of one model and one size, but what their symbols mean differs."""
    newest = store.find("post-1.0bpp").fingerprints[0].hex()
    names = [n for n in shipped.files() if n.startswith("post-1.") and newest in n]
    steps = {deepsic.open(shipped.FOLDER / name).header.step for name in names}
    assert len(steps) == len(names) == 2
    for name in names:
        shutil.copy(shipped.FOLDER / name, tmp_path)
    archive = reading.read([str(tmp_path)], Registry(), None, pytest.fail)
    assert archive.count == 2
    assert not archive.failed
    for meaning, files in archive.groups:
        for file in files:
            assert str(meaning.label) == str(deepsic.open(file.path).label)
