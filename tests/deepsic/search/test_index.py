"""Answers that are kept: found again, and never for another file."""

import os
import resource
import sqlite3

import pytest

from deepsic.container import Header, Semantics
from deepsic.search.index import NAME, Index
from deepsic.search.scan import Found

DOG, FISH = Semantics(b"\xd3\x5b\xe0", True), Semantics(b"\1\2", False)


def file_in(folder, name="a.dsic", fingerprint=b"abcd", size=100, mtime_ns=5):
    header = Header("post", fingerprint, 8, 8)
    return Found(str(folder), os.path.join(str(folder), name), header, size, mtime_ns)


def opened(folder):
    return Index(str(folder), pytest.fail)


def test_answers_outlive_the_program(tmp_path):
    files = [file_in(tmp_path), file_in(tmp_path, "in/b.dsic"), file_in(tmp_path, "new.dsic")]
    index = opened(tmp_path)
    index.add([(files[0], DOG), (files[1], FISH)])
    assert [index.look_up(f) for f in files] == [DOG, FISH, None]
    index.close()
    assert [opened(tmp_path).look_up(f) for f in files] == [DOG, FISH, None]


def test_answers_move_with_the_folder(tmp_path):
    (tmp_path / "a").mkdir()
    opened(tmp_path / "a").add([(file_in(tmp_path / "a"), DOG)])
    os.rename(tmp_path / "a", tmp_path / "b")
    assert opened(tmp_path / "b").look_up(file_in(tmp_path / "b")) == DOG


@pytest.mark.parametrize("change", [{"size": 101}, {"mtime_ns": 6}, {"fingerprint": b"abce"}])
def test_changed_files_are_asked_again(tmp_path, change):
    index = opened(tmp_path)
    index.add([(file_in(tmp_path), DOG)])
    changed = file_in(tmp_path, **change)
    assert index.look_up(changed) is None
    index.add([(changed, FISH)])
    assert index.look_up(changed) == FISH
    assert index.look_up(file_in(tmp_path)) is None


def test_files_that_are_gone_are_forgotten(tmp_path):
    (tmp_path / "a.dsic").write_bytes(b"")
    files = [file_in(tmp_path), file_in(tmp_path, "gone.dsic")]
    index = opened(tmp_path)
    index.add([(f, DOG) for f in files])
    index.forget_missing()
    index.close()
    assert [opened(tmp_path).look_up(f) for f in files] == [DOG, None]


def test_names_that_are_no_text_are_kept(tmp_path):
    file = file_in(tmp_path, os.fsdecode(b"\xff\xfe.dsic"))
    opened(tmp_path).add([(file, DOG)])
    assert opened(tmp_path).look_up(file) == DOG


def test_an_index_of_another_layout_is_made_anew(tmp_path):
    opened(tmp_path).add([(file_in(tmp_path), DOG)])
    with sqlite3.connect(tmp_path / NAME) as base:
        base.execute("PRAGMA user_version = 99")
    assert opened(tmp_path).look_up(file_in(tmp_path)) is None


@pytest.mark.parametrize("damage", ["other bytes", "a folder"])
def test_an_unusable_index_is_named_and_done_without(tmp_path, damage):
    path = tmp_path / NAME
    path.mkdir() if damage == "a folder" else path.write_bytes(b"not a data base" * 100)
    said = []
    index = Index(str(tmp_path), said.append)
    assert len(said) == 1
    assert str(path) in said[0]
    index.add([(file_in(tmp_path), DOG)])
    assert index.look_up(file_in(tmp_path)) == DOG


def test_a_full_disk_costs_the_memory_only(tmp_path):
    said, files = [], [file_in(tmp_path), file_in(tmp_path, "b.dsic")]
    index = Index(str(tmp_path), said.append)
    index.add([(files[0], DOG)])
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, old[1]))
    try:
        index.add([(files[1], FISH)])
        index.forget_missing()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert len(said) == 1
    assert "not remembered" in said[0]
    index.close()
    assert [opened(tmp_path).look_up(f) for f in files] == [DOG, None]


def test_a_link_is_not_followed(tmp_path):
    with sqlite3.connect(tmp_path / "own.sqlite") as base:
        base.execute("CREATE TABLE labels (mine)")
    before = (tmp_path / "own.sqlite").read_bytes()
    (tmp_path / "a").mkdir()
    os.symlink(tmp_path / "own.sqlite", tmp_path / "a" / NAME)
    said = []
    Index(str(tmp_path / "a"), said.append).add([(file_in(tmp_path / "a"), DOG)])
    assert "it is a link" in said[0]
    assert (tmp_path / "own.sqlite").read_bytes() == before


ENDLESS = """CREATE VIEW labels AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n)
SELECT x'00', 1, 1, x'00', 1, x'00' FROM n"""


def test_a_base_that_somebody_else_made_is_not_asked(tmp_path):
    with sqlite3.connect(tmp_path / NAME) as base:
        base.execute(ENDLESS)
        base.execute("PRAGMA user_version = 1")
    said = []
    Index(str(tmp_path), said.append).add([(file_in(tmp_path), DOG)])
    assert "not remembered" in said[0]


def test_rows_of_other_types_are_passed_over(tmp_path):
    opened(tmp_path).add([(file_in(tmp_path), DOG)])
    with sqlite3.connect(tmp_path / NAME) as base:
        base.execute("UPDATE labels SET section = 'text'")
    assert opened(tmp_path).look_up(file_in(tmp_path)) is None
