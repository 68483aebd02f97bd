"""Model folders of strangers: nothing runs, nothing outside is touched, nothing grows."""

import hashlib
import io
import json
import os
import pickle
import resource
import shutil
import zipfile

import numpy as np
import pytest

from deepsic import runtimes, store, untrusted
from deepsic.codec import Codec
from deepsic.coding.symbols import SymbolCoder
from deepsic.coding.tables import Tables
from deepsic.errors import BadFile, ModelError
from deepsic.untrusted import load_arrays

WEIGHTS = ["codec/weights.npz", "heads/pre/weights.npz"]


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def npz(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return out.getvalue()


def npy(shape, dtype="<f2", data=b""):
    out = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + data


@pytest.fixture
def copy(pre, tmp_path):
    """A model's folder to spoil."""
    return shutil.copytree(pre.path, tmp_path / "m")


def replace(folder, name, data):
    """Puts other bytes in a file's place, and their checksum on the card."""
    (folder / name).write_bytes(data)
    edit_card(folder, sha256={name: hashlib.sha256(data).hexdigest()})


def edit_card(folder, **values):
    card = json.loads((folder / store.CARD).read_text())
    sums = card["sha256"]
    card |= values
    if isinstance(card["sha256"], dict):
        card["sha256"] = sums | card["sha256"]
    (folder / store.CARD).write_text(json.dumps(card))


def load(folder, runtime="litert"):
    """The model, of which everything has been read once."""
    codec = Codec(store.open_folder(folder), runtime=runtime)
    codec.decompress(codec.compress(np.zeros((16, 16, 3), np.uint8)))
    return codec


def tables_name(folder):
    return next(f"tables/{p.name}" for p in (folder / "tables").iterdir())


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_arrays_come_back_as_they_were():
    arrays = {"a": np.arange(6, dtype=np.int8).reshape(2, 3), "b": np.float16(1.5)}
    arrays["c"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    found = load_arrays(npz(**arrays), "x")
    assert found.keys() == arrays.keys()
    for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype


@pytest.mark.parametrize("name", [*WEIGHTS, "codec/graphs.npz", "tables"])
def test_pickles_are_not_opened(copy, tmp_path, name):
    name = tables_name(copy) if name == "tables" else name
    mark = tmp_path / "ran"
    objects = np.array([Bomb(mark)], object)
    for data in (npz(x=objects), pickle.dumps(Bomb(mark)), zipped(x=pickle.dumps(Bomb(mark)))):
        replace(copy, name, data)
        with pytest.raises(ModelError, match="damaged"):
            load(copy)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()


@pytest.mark.parametrize("other", ["saved_model.pb", "keras_metadata.pb", "model.h5", "model.py"])
def test_other_files_in_the_folder_are_not_looked_at(copy, other):
    os.mkfifo(copy / other)  # whoever opened it would wait for ever
    assert load(copy).config.arch == "pre"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x05\x06" + bytes(18),
        npy((10**12,)),
        zipped(a=npy((10**12,))),
        zipped(a=npy((-1,))),
        zipped(a=npy((2,), "<U1", bytes(8))),
        zipped(a=npy((1,), "<c8", bytes(8))),
        zipped(a=npy((3,), "<f2", bytes(4))),
        zipped(a=b"\x93NUMPY\x02\x00" + bytes(99)),
    ],
)
def test_archives_that_hold_something_else_are_damaged(copy, data):
    for name in WEIGHTS:
        replace(copy, name, data)
        with pytest.raises(ModelError, match=r"(weights|graphs)\.npz is damaged"):
            load(copy)


def test_archives_are_measured_before_they_are_unpacked(monkeypatch):
    monkeypatch.setattr(untrusted, "LARGEST_FILE", 100_000)
    assert load_arrays(npz(a=np.zeros(9000)), "x")["a"].shape == (9000,)
    bomb = npz(a=np.zeros(9000), b=np.zeros(9000))
    assert len(bomb) < 2000
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    with pytest.raises(ModelError, match="unpacks to more"):
        load_arrays(bomb, "x")


def test_an_archive_that_lies_about_its_size_yields_no_more_than_it_says():
    data = bytearray(zipped(a=npy((4000,), "<f2", bytes(8000))))
    for at in range(len(data) - 4):
        if data[at : at + 4] == (8000 + 128).to_bytes(4, "little"):
            data[at : at + 4] = (200).to_bytes(4, "little")
    with pytest.raises(ModelError, match="damaged"):
        load_arrays(bytes(data), "x")


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
        store.open_folder(copy)


@pytest.mark.parametrize(
    "tables", [[], "7d15ca7d", ["../../x"], ["7d15ca7d7d"], ["7D15CA7D"], ["7d 15 ca 7d"], [5], {}]
)
def test_a_folders_card_names_tables_by_fingerprints(copy, tables):
    edit_card(copy, tables=tables)
    with pytest.raises(ModelError, match=r"model\.json is damaged"):
        store.open_folder(copy)


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


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(4000), b"\x1c\x00\x00\x00TFL3" + bytes(999)])
def test_graphs_that_are_none_are_damaged(copy, data):
    graphs = {n: np.frombuffer(data, np.uint8) for n in ("features", "reconstruction")}
    replace(copy, "codec/graphs.npz", npz(**graphs))
    replace(copy, "codec/graphs.json", b'{"version": 1, "features": [], "reconstruction": []}')
    with pytest.raises(ModelError, match="is damaged"):
        load(copy)


@pytest.mark.parametrize(
    "slot",
    [
        [10**9, "features/conv2/kernel", "conv"],
        [-1, "features/conv2/kernel", "conv"],
        [0.0, "features/conv2/kernel", "conv"],
        [0, "features/conv99/kernel", "conv"],
        [0, "features/conv2/kernel", "diagonal"],
        [0, "features/conv2/bias", "conv"],
        [0, "features/conv2/kernel"],
        [0, "features/conv2/kernel", "conv", "features/norm2"],
        5,
        "abc",
    ],
)
def test_weights_are_put_nowhere_but_into_their_graph(copy, slot):
    slots = json.loads((copy / "codec/graphs.json").read_text())
    slots["features"].append(slot)
    replace(copy, "codec/graphs.json", json.dumps(slots).encode())
    with pytest.raises(ModelError, match=r"graphs\.npz is damaged"):
        load(copy)


def test_a_graph_of_another_shape_is_damaged(copy):
    """What a stranger's graph takes and gives is not what this codec has."""
    arrays = load_arrays((copy / "codec/graphs.npz").read_bytes(), "x")
    slots = json.loads((copy / "codec/graphs.json").read_text())
    arrays["features"], slots["features"] = arrays["reconstruction"], slots["reconstruction"]
    replace(copy, "codec/graphs.npz", npz(**arrays))
    replace(copy, "codec/graphs.json", json.dumps(slots).encode())
    with pytest.raises(ModelError, match="is damaged"):
        load(copy)


def test_weights_that_compute_nothing_finite_give_one_clear_error(copy):
    arrays = load_arrays((copy / "heads/pre/weights.npz").read_bytes(), "x")
    for name in ("kernel", "bias"):
        array = arrays[f"semantics/fc2/{name}"].astype(np.float32)
        array.flat = np.resize(np.float32([3e38, -3e38]), array.size)
        arrays[f"semantics/fc2/{name}"] = array
    arrays["semantics/fc1/bias"] = np.full_like(arrays["semantics/fc1/bias"], 60_000)
    replace(copy, "heads/pre/weights.npz", npz(**arrays))
    with pytest.raises(ModelError, match="no probabilities"):
        load(copy, "tensorflow")


def test_tables_of_any_numbers_code_symbols_or_are_refused(copy):
    """Each array in turn holds what no fit would give."""
    good = load_arrays((copy / tables_name(copy)).read_bytes(), "x")
    q = np.random.default_rng(0).integers(-3, 4, (6, 6, 16)).astype(np.int8)
    refused = set()
    for key, array in good.items():
        for value in (-(2**31), -1000, -1, 255, 2**31 - 1):
            try:
                tables = Tables.from_arrays(good | {key: np.full_like(array, value, np.int32)})
            except ValueError:
                refused.add(key)
                continue
            coder = SymbolCoder(tables)
            assert coder.decode(coder.encode(q), 6, 6).shape == q.shape
    assert refused >= {"cap", "wide", "reach", "outer_bits", "spatial.1", "trees.child"}


def test_a_full_disk_leaves_the_model_that_was_there(copy):
    before = contents(copy)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, old[1]))
    try:
        with pytest.raises(BadFile, match=r"npz cannot be written: File too large"):
            store.add_tables(store.open_folder(copy), bytes(40_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert contents(copy) == before


def test_tables_of_other_shapes_are_refused(copy):
    name = tables_name(copy)
    good = load_arrays((copy / name).read_bytes(), "x")
    for key, array in good.items():
        for other in (array[None], array[..., :0], np.zeros((), np.int8), array.astype(float)):
            replace(copy, name, npz(**(good | {key: other})))
            with pytest.raises(ModelError, match="coding table"):
                store.open_folder(copy).tables()
