"""Counts by label and level, and what an archive saves."""

import pytest

from deepsic.registry import Registry
from deepsic.search import reading, statistics
from tests.deepsic.search.files import write_archive

EXTENSIONS = {".png"}


@pytest.fixture
def folder(tmp_path):
    return write_archive(tmp_path / "a")


@pytest.fixture
def archive(folder):
    return reading.read([str(folder)], Registry(), 10**6, pytest.fail)


def test_files_count_at_every_level_above_their_label(archive):
    levels = {level.name: level.count for level in statistics.by_level(archive)}
    counts = {name: (c.files, c.here) for name, c in levels.items()}
    assert counts["entity"] == (5, 0)
    assert counts["vertebrate"] == (4, 2)
    assert counts["dog"] == (1, 0)
    assert counts["church"] == (1, 1)
    size = sum(f.size for _, files in archive.groups for f in files)
    assert levels["entity"].bytes == size
    assert levels["entity"].bpp == pytest.approx(8 * size / (5 * 40 * 30))
    # Three bytes of label, and nine where three alternatives of about 18 bits follow.
    assert levels["church"].semantics == 3
    assert levels["entity"].semantics == 4 * 3 + 10


def test_text_leaves_out_what_is_only_passed_through(archive):
    levels = statistics.by_level(archive)
    names = [level.name for level in statistics.in_short(levels)]
    assert names == ["whole", "vertebrate", "English springer", "tench", "church"]
    sums = {"files": 0, "bytes": 0, "originals": 0}
    lines = statistics.as_text(levels, sums).splitlines()
    assert lines[3].endswith("    English springer")
    assert lines[3].split()[:2] == ["1", "1"]


def test_originals_are_found_beside_or_in_a_folder_of_their_own(archive, folder, tmp_path):
    (folder / "fish.png").write_bytes(bytes(1000))
    (folder / "fish.txt").write_bytes(bytes(9))
    size = (folder / "fish.dsic").stat().st_size
    found = statistics.saved(archive, None, EXTENSIONS)
    assert found == {"files": 1, "bytes": size, "originals": 1000}
    (tmp_path / "o" / "in").mkdir(parents=True)
    for name in ("vertebrate.PNG", "in/dog.png"):
        (tmp_path / "o" / name).write_bytes(bytes(500))
    found = statistics.saved(archive, str(tmp_path / "o"), EXTENSIONS)
    assert (found["files"], found["originals"]) == (2, 1000)


def test_json_holds_every_level(archive):
    levels = statistics.by_level(archive)
    rows = statistics.as_json(levels, {})["levels"]
    assert [r["name"] for r in rows] == [level.name for level in levels]
    assert rows[0]["depth"] == 0
    assert rows[0]["files"] == 5


def test_an_empty_archive_has_no_counts(tmp_path):
    archive = reading.read([str(tmp_path)], Registry(), 10**6, pytest.fail)
    assert statistics.by_level(archive) == []
    assert len(statistics.as_text([], {"files": 0}).splitlines()) == 2
