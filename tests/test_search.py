"""search.py as people call it, on files of tiny models."""

import base64
import dataclasses
import hashlib
import io
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from deepsic import container, folders
from deepsic.codec import Codec
from deepsic.labels import Labels
from deepsic.search import index
from tests.calls import call
from tests.deepsic.search.files import write_archive, write_pre
from tools.robustness.small_models import photo


def coded(folder, target, sizes=((40, 56), (40, 56), (48, 40))):
    """An archive of pictures; returns the labels that the codec itself gives."""
    codec, said = Codec(folder), {}
    target.mkdir(parents=True)
    for i, size in enumerate(sizes):
        path = target / f"{i}.dsic"
        path.write_bytes(codec.compress(np.roll(photo(*size), 7 * i, axis=1), threshold=0.0))
        header, payload = container.unpack(path.read_bytes())
        said[str(path)] = str(codec.get_label(header, codec.decode_symbols(header, payload)))
    return said


@pytest.fixture(scope="module")
def posts(post, tmp_path_factory):
    folder = tmp_path_factory.mktemp("posts") / "a"
    return folder, coded(post, folder)


def test_hits_come_sorted_and_bad_files_are_named(tmp_path):
    folder = write_archive(tmp_path / "a")
    out, err = call("search.py", folder, "--label=vertebrate", "--min_probability=0.75", code=1)
    assert out.splitlines() == [
        f"{folder}/fish.dsic: tench (90%)",
        f"{folder}/in/dog.dsic: English springer (80%)",
        f"{folder}/vertebrate.dsic: vertebrate (75%)",
    ]
    assert "3 of 8 files show vertebrate; 3 could not be read." in err
    for name in ("damaged", "empty", "broken"):
        assert f"{name}.dsic: " in err


def test_pre_files_are_answered_with_the_standard_library(tmp_path):
    folder = write_archive(tmp_path / "a")
    code = (
        "import sys; sys.argv = ['search.py', sys.argv[1], '--label=dog', '--top=1', '--json'];"
        "import runpy\n"
        "try: runpy.run_path('search.py', run_name='__main__')\n"
        "except SystemExit as e: assert e.code == 1\n"
        "assert not {'tensorflow', 'numpy', 'PIL', 'sqlite3'} & set(sys.modules)"
    )
    out, _ = call("-c", code, folder)
    found = json.loads(out)
    assert (found["files"], found["hits"], len(found["failed"])) == (8, 2, 3)
    (hit,) = found["shown"]
    assert hit["path"].endswith("dog.dsic")
    assert hit["levels"][-2:] == ["springer spaniel", "English springer"]
    assert hit["id"] == "n02102040"
    assert not os.path.exists(folder / index.NAME)


def test_stats_count_and_compare_with_originals(tmp_path):
    folder = write_archive(tmp_path / "a")
    (folder / "fish.jpg").write_bytes(bytes(1000))
    out, _ = call("search.py", folder, "--stats", code=1)
    assert "vertebrate" in out
    assert "1 originals are there: 1000 bytes" in out
    out, _ = call("search.py", folder, "--stats", "--json", code=1)
    found = json.loads(out)
    assert found["files"] == 8
    assert found["saved"]["originals"] == 1000
    assert {level["name"]: level["here"] for level in found["levels"]}["vertebrate"] == 2


def test_post_files_are_asked_once(post, posts):
    folder, said = posts
    arguments = ["search.py", folder, "--label=entity", "--json"]
    out, _ = call(*arguments, f"--models={post.path}")
    first = json.loads(out)
    assert {h["path"]: h["label"] for h in first["shown"]} == {
        path: label.split(" (")[0] for path, label in said.items()
    }
    # Now the model need not be there: the index knows.
    out, _ = call(*arguments)
    assert json.loads(out) == first


def test_changed_post_files_are_asked_again(post, posts, tmp_path):
    folder = tmp_path / "a"
    shutil.copytree(posts[0], folder)
    call("search.py", folder, "--label=entity", f"--models={post.path}")
    (folder / "0.dsic").write_bytes(b"DSIC and nothing more")
    os.remove(folder / "1.dsic")
    shutil.copy(folder / "2.dsic", folder / "3.dsic")
    out, err = call("search.py", folder, "--label=entity", f"--models={post.path}", code=1)
    assert sorted(line.split(":")[0] for line in out.splitlines()) == [
        str(folder / "2.dsic"), str(folder / "3.dsic"),
    ]  # fmt: skip
    assert "0.dsic" in err


def test_damaged_post_files_are_named_and_files_of_absent_models_too(post, posts, tmp_path):
    folder = tmp_path / "a"
    shutil.copytree(posts[0], folder)
    data = bytearray((folder / "1.dsic").read_bytes())
    data[-1] ^= 1
    (folder / "1.dsic").write_bytes(data)
    _, err = call("search.py", folder, "--label=entity", f"--models={post.path}", code=1)
    assert "1.dsic: the checksum is wrong" in err
    assert "2 of 3 files show entity; 1 could not be read." in err
    os.remove(folder / index.NAME)
    _, err = call("search.py", folder, "--label=entity", code=1)
    assert err.count("--models=DIR") == 2 + 1
    _, err = call("search.py", folder, "--label=entity", "--max_pixels=100", code=1)
    assert err.count("--max_pixels") == 3


def test_a_sheet_holds_the_hits_and_no_other_file(pre, tmp_path):
    folder = tmp_path / "a & <b>"
    coded(pre, folder, sizes=((40, 56), (300, 40)))
    write_pre(folder / "foreign.dsic", [0.0, 0.9, 0.1])
    sheet = tmp_path / "out.html"
    models = f"--models={pre.path}"
    _, err = call("search.py", folder, "--label=entity", f"--html={sheet}", models, code=1)
    assert "foreign.dsic is not on the sheet" in err
    text = sheet.read_text()
    assert text.count("<img") == 2
    assert "a &amp; &lt;b&gt;/0.dsic" in text
    assert "<b>/" not in text
    # Nothing is fetched from elsewhere.
    assert text.count("src=") == text.count('src="data:image/jpeg;base64,') == 2
    assert "http" not in text
    pictures = [base64.b64decode(p.split('"')[0]) for p in text.split("base64,")[1:]]
    assert sorted(Image.open(io.BytesIO(p)).size for p in pictures) == [(30, 224), (56, 40)]


def with_labels(folder, target, labels):
    """A copy of a model's folder with other labels, whose checksum is right."""
    shutil.copytree(folder.path, target)
    text = json.dumps(dataclasses.asdict(labels)).encode()
    (target / "labels.json").write_bytes(text)
    card = json.loads((target / "model.json").read_text())
    card["sha256"]["labels.json"] = hashlib.sha256(text).hexdigest()
    (target / "model.json").write_text(json.dumps(card))
    return folders.open_folder(target)


def test_classes_of_ones_own_are_found_with_their_groups(pre, tmp_path):
    labels = Labels.of(["cat", "hound", "bus"], parents={"cat": "pet", "hound": "pet"})
    folder = with_labels(pre, tmp_path / "m", labels)
    write_pre(tmp_path / "a" / "foreign.dsic", [0.9, 0.1, 0.0], labels=labels)
    for name, probabilities in (("cat", [0.9, 0.1, 0.0]), ("bus", [0.1, 0.2, 0.7])):
        header = container.Header(
            "pre", folder.fingerprints[0], 10, 10, labels.semantics(probabilities)
        )
        (tmp_path / "a" / f"{name}.dsic").write_bytes(container.pack(header, b""))
    models = f"--models={folder.path}"
    out, err = call("search.py", tmp_path / "a", "--label=Pet", models, code=1)
    assert out == f"{tmp_path}/a/cat.dsic: cat (90%)\n"
    assert "foreign.dsic: the file needs the pre model 6e6f6e65" in err
    assert "1 of 3 files" in err


def test_labels_that_make_no_tree_are_damaged(pre, tmp_path):
    labels = Labels(["cat", "hound", "bus"], ["cat", "hound", "bus"], None, {"cat": "cat"})
    with pytest.raises(folders.ModelError, match=r"labels\.json is damaged"):
        _ = with_labels(pre, tmp_path / "m", labels).labels


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--label=dog"], "folders or files"),
        (["tests"], "--stats"),
        (["tests", "--label=dog", "--stats"], "either"),
        (["nowhere", "--label=dog"], "nowhere"),
        (["tests", "--label=doge"], "the nearest: dog"),
        (["tests", "--label=xyzzy", "--models=nothing"], "no model nothing"),
        (["tests", "--label=dog", "--min_probability=2"], "min_probability"),
        (["docs", "--label=dog"], "no .dsic file"),
        (["docs", "--stats", "--html=x.html"], "--html"),
        (["docs", "--stats", "--originals=/nowhere"], "--originals"),
        (["docs", "--stats", "--models=nothing"], "nothing"),
    ],
)
def test_mistakes_get_one_sentence(arguments, hint):
    code = 2 if "--min_probability=2" in arguments else 1
    _, err = call("search.py", *arguments, code=code)
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert hint in lines[0]


def test_a_sheet_that_cannot_be_written_is_named(tmp_path):
    folder = write_archive(tmp_path / "a")
    _, err = call("search.py", folder, "--label=cat", f"--html={tmp_path}", code=1)
    assert str(tmp_path) in err
