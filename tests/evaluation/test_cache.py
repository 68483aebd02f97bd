"""Entries are found under their own key only, and only whole."""

import json
import math

import numpy as np
import pytest

from deepsic.errors import BadFile
from evaluation import cache as cache_module
from evaluation.cache import Cache, digest, source_digest


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def test_values_come_back(cache):
    assert cache.get({"a": 1}) is None
    cache.put({"a": 1, "b": [1, 2]}, {"bpp": 0.5, "psnr": math.inf})
    assert cache.get({"b": [1, 2], "a": 1}) == {"bpp": 0.5, "psnr": math.inf}
    assert cache.get({"a": 2, "b": [1, 2]}) is None


def test_damaged_and_foreign_entries_are_not_used(cache):
    cache.put({"a": 1}, 7)
    path = cache.path({"a": 1})
    whole = path.read_text()
    path.write_text(whole[:-3])
    assert cache.get({"a": 1}) is None
    path.write_text(json.dumps({"key": {"a": 2}, "value": 7}))
    assert cache.get({"a": 1}) is None
    path.write_text("[]")
    assert cache.get({"a": 1}) is None


def test_nothing_half_written_stays(cache):
    cache.put({"a": 1}, 7)
    assert [p.suffix for p in cache.folder.rglob("*") if p.is_file()] == [".json"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFile, match="cannot be written"):
        Cache(tmp_path / "file").put({"a": 1}, 7)


def test_pictures_differ_by_pixels_and_shape():
    x = np.arange(12, dtype=np.uint8)
    assert digest(x.reshape(2, 2, 3)) == digest(x.reshape(2, 2, 3).copy())
    assert digest(x.reshape(2, 2, 3)) != digest(x.reshape(1, 4, 3))
    assert digest(x.reshape(2, 2, 3)) != digest(x[::-1].reshape(2, 2, 3))


def test_changed_code_has_another_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "ROOT", tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("1")
    source_digest.cache_clear()
    before = source_digest("a")
    (tmp_path / "a" / "b.py").write_text("2")
    source_digest.cache_clear()
    assert source_digest("a") != before
    source_digest.cache_clear()
