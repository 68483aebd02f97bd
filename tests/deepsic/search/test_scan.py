"""Finding files and reading their fronts."""

import os

import pytest

from deepsic import container
from deepsic.search.scan import Failed, Found, scan, walk
from tests.deepsic.search.files import write_archive, write_pre


@pytest.fixture
def folder(tmp_path):
    return write_archive(tmp_path / "a")


def names(found):
    return sorted(os.path.basename(path) for _, path in found)


def test_folders_are_searched_with_their_subfolders(folder):
    assert names(walk([str(folder)])) == [
        "broken.dsic", "church.dsic", "damaged.dsic", "dog.dsic", "empty.dsic", "fish.dsic",
        "perhaps.dsic", "vertebrate.dsic",
    ]  # fmt: skip


def test_globs_and_files_are_places_too(folder):
    found = list(walk([f"{folder}/**/d*.dsic"]))
    assert names(found) == ["damaged.dsic", "dog.dsic"]
    assert {root for root, _ in found} == {str(folder)}
    assert list(walk([f"{folder}/fish.dsic"])) == [(str(folder), f"{folder}/fish.dsic")]
    assert names(walk([f"{folder}/*"])) == names(walk([str(folder)]))


def test_no_file_comes_twice(folder):
    once = names(walk([str(folder)]))
    assert names(walk([str(folder), f"{folder}/**/*.dsic", f"{folder}/fish.dsic"])) == once


def test_names_with_the_signs_of_patterns_are_taken_as_they_are(tmp_path):
    write_pre(tmp_path / "a[1]" / "b*.dsic", [1.0, 0.0, 0.0])
    assert names(walk([str(tmp_path / "a[1]")])) == ["b*.dsic"]


@pytest.mark.parametrize("place", ["nowhere", "nowhere/*.dsic"])
def test_places_that_are_not_there_are_named(tmp_path, place):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(scan([str(tmp_path / place)]))


def test_circles_of_links_end(folder):
    os.symlink(folder, folder / "in" / "again")
    assert len(list(walk([str(folder)]))) == 8


def test_bad_files_are_told_from_good_ones(folder):
    files = list(scan([str(folder)]))
    failed = {os.path.basename(f.path): f.reason for f in files if isinstance(f, Failed)}
    assert sorted(failed) == ["broken.dsic", "damaged.dsic", "empty.dsic"]
    assert "No such file" in failed["broken.dsic"]
    good = [f for f in files if isinstance(f, Found)]
    assert len(good) == 5
    for file in good:
        status = os.stat(file.path)
        assert (file.size, file.mtime_ns) == (status.st_size, status.st_mtime_ns)
        assert (file.header.width, file.header.height) == (40, 30)


def test_a_pipe_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.dsic")
    (file,) = scan([str(tmp_path)])
    assert isinstance(file, Failed)


def test_the_longest_header_is_read_whole(tmp_path):
    semantics = container.Semantics(bytes(container.MOST_SEMANTICS), True)
    header = container.Header("pre", b"abcd", 2**30, 2**30, semantics)
    (tmp_path / "a.dsic").write_bytes(container.pack(header, bytes(1000)))
    (file,) = scan([str(tmp_path)])
    assert file.header == header
