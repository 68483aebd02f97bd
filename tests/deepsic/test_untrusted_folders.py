"""Model folders of strangers: nothing outside is touched, nothing absurd is made."""

import hashlib
import json
import os
import resource
import shutil

import pytest

from deepsic import folders, runtimes, saving
from deepsic.errors import BadFile, ModelError
from tests.deepsic.untrusted import (
    WEIGHTS,
    contents,
    edit_card,
    load,
    replace,
)


@pytest.mark.parametrize("other", ["saved_model.pb", "keras_metadata.pb", "model.h5", "model.py"])
def test_other_files_in_the_folder_are_not_looked_at(copy, other):
    os.mkfifo(copy / other)  # whoever opened it would wait for ever
    assert load(copy).config.arch == "pre"


@pytest.mark.parametrize(
    "change",
    [
        {"filters": 10**9},
        {"filters": 65536},
        {"filters": 20_000, "latents": 20_000},
        {"classes": 65536, "head_width": 65536},
        {"classes": 3, "filters": 16},
        {"filters": 16.0},
        {"latents": True},
        {"strides": [4, 2, 1, 1.0]},
        {"kernels": [7, 5, 3, [3]]},
        {"kernels": 7},
        {"skip_gain": float("nan")},
        {"skip_gain": 10**400},
        {"skip_gain": "much"},
        {"arch": ["pre"]},
        {"colour": 1},
    ],
)
def test_absurd_configurations_are_refused_before_anything_is_made(copy, change, monkeypatch):
    monkeypatch.setattr(runtimes, "make", None)
    name = "heads/pre/config.json" if "classes" in change else "codec/config.json"
    config = json.loads((copy / name).read_text()) | change
    replace(copy, name, json.dumps(config).encode())
    with pytest.raises(ModelError, match=r"config\.json is damaged"):
        load(copy)


@pytest.mark.parametrize(
    "name", ["codec/config.json", "codec/graphs.json", "labels.json", "model.json"]
)
@pytest.mark.parametrize("data", [b"[]", b"5", b"null", b'"x"', b"{", b"\xff", b"[" * 99_999])
def test_other_json_is_damaged(copy, name, data):
    if name == "model.json":
        (copy / name).write_bytes(data)
    else:
        replace(copy, name, data)
    with pytest.raises(ModelError, match=name.split(".")[0]):
        load(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": "abc"},
        {"classes": []},
        {"classes": ["a", "b"]},
        {"names": ["a", "b", 3]},
        {"names": ["a", "b", "\x1b]0;title\x07"]},
        {"names": ["a", "b", "x" * 5000]},
        {"imagenet": [0, 1, 1000]},
        {"imagenet": [0, 1, -1]},
        {"imagenet": [0, 1, True]},
        {"imagenet": 3},
        {"imagenet": None, "parents": ["a"]},
        {"imagenet": None, "parents": {"n01440764": 7}},
        {"other": 1},
    ],
)
def test_labels_that_make_no_sense_are_damaged(copy, change):
    labels = json.loads((copy / "labels.json").read_text()) | change
    replace(copy, "labels.json", json.dumps(labels).encode())
    with pytest.raises(ModelError, match=r"labels\.json is damaged"):
        load(copy)


def test_labels_of_another_number_of_classes_are_refused(copy):
    labels = {"classes": ["a", "b"], "names": ["a", "b"]}
    replace(copy, "labels.json", json.dumps(labels).encode())
    with pytest.raises(ModelError, match="labels and networks"):
        load(copy)


def test_a_folders_card_names_no_file_outside_of_it(copy, tmp_path):
    (tmp_path / "secret").write_bytes(b"mine")
    digest = hashlib.sha256(b"mine").hexdigest()
    edit_card(copy, sha256={"../secret": digest})
    with pytest.raises(ModelError, match=r"model\.json is damaged"):
        folders.open_folder(copy)


@pytest.mark.parametrize(
    "tables", [[], "7d15ca7d", ["../../x"], ["7d15ca7d7d"], ["7D15CA7D"], ["7d 15 ca 7d"], [5], {}]
)
def test_a_folders_card_names_tables_by_fingerprints(copy, tables):
    edit_card(copy, tables=tables)
    with pytest.raises(ModelError, match=r"model\.json is damaged"):
        folders.open_folder(copy)


@pytest.mark.parametrize("name", [*WEIGHTS, "codec/config.json", "labels.json", "model.json"])
def test_links_and_pipes_are_not_followed(copy, tmp_path, name):
    shutil.move(copy / name, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", copy / name)
    with pytest.raises(ModelError, match=f"{name} is a link"):
        load(copy)
    os.unlink(copy / name)
    os.mkfifo(copy / name)
    with pytest.raises(ModelError, match=f"{name} is damaged: it is no plain file"):
        load(copy)


def test_links_to_folders_are_not_followed(copy, tmp_path):
    shutil.move(copy / "codec", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", copy / "codec")
    with pytest.raises(ModelError, match="codec is a link"):
        load(copy)


def test_a_full_disk_leaves_the_model_that_was_there(copy):
    before = contents(copy)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, old[1]))
    try:
        with pytest.raises(BadFile, match=r"npz cannot be written: File too large"):
            saving.add_tables(folders.open_folder(copy), bytes(40_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert contents(copy) == before
