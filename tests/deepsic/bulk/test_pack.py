"""Loose files to Parquet and back, and what a search finds in either."""

import json
import shutil

import pytest

from tests.calls import call
from tests.deepsic.search.files import write_archive, write_pre

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def loose(tmp_path):
    """Files with labels, and three that are damaged."""
    return write_archive(tmp_path / "loose")


@pytest.fixture
def packed(loose, tmp_path):
    out, _ = call("bulk.py", loose, tmp_path / "packed", "--pack", "--block=3")
    assert "7 rows, 2 of them with a reason instead of a file" in out
    return tmp_path / "packed"


def rows_of(folder):
    return parquet.read_table(folder, filesystem=pa.fs.LocalFileSystem()).to_pylist()


def whole_files(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.dsic") if p.is_file()
    }


def test_rows_say_what_files_say(packed, loose):
    rows = {row["path"]: row for row in rows_of(packed)}
    assert set(rows) == set(whole_files(loose))
    dog = rows["in/dog.dsic"]
    assert (dog["label"], dog["name"]) == ("n02102040", "English springer")
    assert dog["levels"][0] == "entity"
    assert dog["levels"][-2:] == ["springer spaniel", "English springer"]
    assert dog["dsic"] == (loose / "in" / "dog.dsic").read_bytes()
    assert dog["bytes"] == len(dog["dsic"])
    assert dog["error"] is None
    assert rows["empty.dsic"]["dsic"] is None
    assert rows["empty.dsic"]["error"].endswith(".")


def test_unpacked_files_are_the_packed_ones(packed, loose, tmp_path):
    out, err = call("bulk.py", packed, tmp_path / "again", "--unpack", code=1)
    assert "5 files" in out
    assert "empty.dsic" in err
    before, after = whole_files(loose), whole_files(tmp_path / "again")
    assert after == {name: before[name] for name in after}
    assert len(after) == 5
    call("bulk.py", packed, tmp_path / "again", "--unpack", code=1)  # nothing to do
    (tmp_path / "again" / "fish.dsic").write_bytes(b"mine")
    _, err = call("bulk.py", packed, tmp_path / "again", "--unpack", code=1)
    assert "--overwrite" in err


@pytest.mark.parametrize(
    ("words", "hits"),
    [
        (["--label=vertebrate"], 4),
        (["--label=dog", "--label=church"], 3),
        (["--label=vertebrate", "--not_label=dog"], 3),
        (["--label=vertebrate", "--not_label=dog", "--not_label=fish"], 2),
    ],
)
def test_a_search_finds_in_rows_what_it_finds_in_files(packed, loose, words, hits):
    files, _ = call("search.py", loose, *words, "--json", code=1)
    rows, _ = call("search.py", packed, *words, "--json")
    files, rows = json.loads(files), json.loads(rows)
    for hit in files["shown"]:
        hit["path"] = hit["path"].removeprefix(f"{loose}/")
    assert rows["shown"] == files["shown"]
    assert (rows["hits"], rows["files"]) == (files["hits"], 7)
    assert rows["hits"] == hits


def test_the_most_probable_rows_are_listed(packed):
    word = "--label=vertebrate"
    out, err = call("search.py", packed, word, "--min_probability=0.75", "--top=2")
    assert out.splitlines() == ["fish.dsic: tench (90%)", "in/dog.dsic: English springer (80%)"]
    assert "3 of 7 files show vertebrate; 2 rows have a reason instead of a file" in err


def test_files_and_rows_are_searched_together(packed, loose):
    places = [loose, packed / "part-00000.parquet"]
    out, _ = call("search.py", *places, "--label=tench", "--min_probability=0.5", code=1)
    assert out.splitlines() == [f"{loose}/fish.dsic: tench (90%)", "fish.dsic: tench (90%)"]


def test_statistics_are_the_same_for_rows(packed, loose):
    files, _ = call("search.py", loose, "--stats", "--json", code=1)
    rows, _ = call("search.py", packed, "--stats", "--json")
    counted = [
        {
            level["name"]: (level["files"], level["here"], level["bytes"])
            for level in found["levels"]
        }
        for found in (json.loads(files), json.loads(rows))
    ]
    assert counted[0] == counted[1]


def test_a_run_goes_on_where_it_was_and_takes_what_came_since(packed, loose):
    before = (packed / "part-00000.parquet").read_bytes()
    out, _ = call("bulk.py", loose, packed, "--pack", "--block=3")
    assert "has them all" in out
    write_pre(loose / "new.dsic", [0.0, 0.9, 0.1])
    out, _ = call("bulk.py", loose, packed, "--pack", "--block=3")
    assert "1 of them new" in out
    assert (packed / "part-00000.parquet").read_bytes() == before
    paths = [row["path"] for row in rows_of(packed)]
    assert sorted(paths) == sorted(whole_files(loose))


def test_blocks_that_a_kill_left_are_not_done_again(packed, loose):
    """As after a kill between a shard and the manifest, and after one before its blocks go."""
    rows = sorted(row["path"] for row in rows_of(packed))
    manifest = packed / "_bulk" / "manifest.json"
    told = json.loads(manifest.read_text())
    blocks = packed / "_bulk" / "blocks"
    blocks.mkdir()
    done = parquet.read_table(packed / "part-00000.parquet", filesystem=pa.fs.LocalFileSystem())
    for block in range(3):
        parquet.write_table(done.slice(3 * block, 3), blocks / f"{block:08}.parquet")
    call("bulk.py", loose, packed, "--pack", "--block=3")
    assert sorted(row["path"] for row in rows_of(packed)) == rows
    for block in range(2):
        blocks.mkdir(exist_ok=True)
        parquet.write_table(done.slice(3 * block, 3), blocks / f"{block:08}.parquet")
    manifest.write_text(json.dumps(told | {"shards": {}}))
    out, _ = call("bulk.py", loose, packed, "--pack", "--block=3")
    assert "2 blocks had been done before" in out
    assert sorted(row["path"] for row in rows_of(packed)) == rows


def test_another_run_is_not_mixed_in(packed, loose, tmp_path):
    shutil.copytree(loose, tmp_path / "other", symlinks=True)
    _, err = call("bulk.py", tmp_path / "other", packed, "--pack", code=1)
    assert "holds another run" in err
    _, err = call("bulk.py", packed, loose / "x", "--pack", code=1)
    assert "holds no file" in err


@pytest.mark.parametrize("path", ["/etc/x.dsic", "../x.dsic", "a/../../x.dsic", "a\\..\\x.dsic"])
def test_no_row_leads_out_of_the_folder(packed, tmp_path, path):
    shard = packed / "part-00000.parquet"
    table = parquet.read_table(shard, filesystem=pa.fs.LocalFileSystem())
    paths = [path, *table.column("path").to_pylist()[1:]]
    parquet.write_table(table.set_column(0, table.schema.field(0), [paths]), shard)
    _, err = call("bulk.py", shard, tmp_path / "deep" / "out", "--unpack", code=1)
    assert "outside of the folder" in err or "reason" in err or ".dsic" in err
    written = {p for p in tmp_path.rglob("*.dsic") if "loose" not in p.parts}
    assert all((tmp_path / "deep" / "out") in p.parents for p in written)


def test_damaged_and_foreign_shards_are_named_and_the_others_searched(packed, tmp_path):
    shutil.copy(packed / "part-00000.parquet", packed / "part-00001.parquet")
    data = bytearray((packed / "part-00000.parquet").read_bytes())
    (packed / "part-00000.parquet").write_bytes(data[: len(data) // 2])
    parquet.write_table(pa.table({"path": ["x"]}), packed / "other.parquet")
    out, err = call("search.py", packed, "--label=tench", "--min_probability=0.5", code=1)
    assert out == "fish.dsic: tench (90%)\n"
    assert "part-00000.parquet" in err
    assert "other.parquet" in err
    assert "no archive of pictures" in err


def test_duckdb_answers_the_same_question(packed):
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql(
        f"SELECT path, probability FROM '{packed}/*.parquet'"
        " WHERE list_contains(levels, 'vertebrate') ORDER BY probability DESC"
    ).fetchall()
    out, _ = call("search.py", packed, "--label=vertebrate")
    assert [path for path, _ in found] == [line.split(":")[0] for line in out.splitlines()]
