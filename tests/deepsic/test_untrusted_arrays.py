"""Archives of strangers: nothing in them runs, nothing grows."""

import pickle
import zipfile

import numpy as np
import pytest

from deepsic import untrusted
from deepsic.errors import ModelError
from deepsic.untrusted import load_arrays
from tests.deepsic.untrusted import WEIGHTS, Bomb, find_tables, load, npy, npz, replace, zipped


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
    name = find_tables(copy) if name == "tables" else name
    mark = tmp_path / "ran"
    objects = np.array([Bomb(mark)], object)
    for data in (npz(x=objects), pickle.dumps(Bomb(mark)), zipped(x=pickle.dumps(Bomb(mark)))):
        replace(copy, name, data)
        with pytest.raises(ModelError, match="damaged"):
            load(copy)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()


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
