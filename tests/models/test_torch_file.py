"""Weights are read as data: what a file wants to run is refused."""

import collections
import pickle

import numpy as np
import pytest

from models import torch_file
from models.torch_file import BadTorchFile, read_tensors


class _Writer(pickle.Pickler):
    """Writes stand-ins for PyTorch's names."""

    def persistent_id(self, value):
        return value if isinstance(value, tuple) and value[:1] == ("storage",) else None


class _Named:
    """Pickled as a call of a name with arguments."""

    def __init__(self, name, *arguments):
        self.name, self.arguments = name, arguments

    def __reduce__(self):
        return self.name, self.arguments


def _global(module, name):
    """A function that is pickled by a name of our choice."""
    import sys
    import types

    made = types.FunctionType((lambda *a: a).__code__, {}, name)
    made.__module__, made.__qualname__ = module, name
    parent = sys.modules.setdefault(module, types.ModuleType(module))
    if not hasattr(parent, name):
        setattr(parent, name, made)
    return getattr(parent, name)


@pytest.fixture
def names(monkeypatch):
    """PyTorch's names, while a file is written."""
    import sys

    before = set(sys.modules)
    yield _global("torch._utils", "_rebuild_tensor_v2"), _global("torch", "FloatStorage")
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path, tensors, keys, storages, names):
    rebuild, kind = names
    with path.open("wb") as handle:
        for value in (torch_file.MAGIC, torch_file.PROTOCOL, {"little_endian": True}):
            pickle.dump(value, handle, protocol=2)
        found = collections.OrderedDict(
            (
                name,
                _Named(rebuild, ("storage", kind, key, "cpu", len(storages[key]), None), *rest),
            )
            for name, (key, *rest) in tensors.items()
        )
        _Writer(handle, protocol=2).dump(found)
        pickle.dump(keys, handle, protocol=2)
        for key in keys:
            handle.write(len(storages[key]).to_bytes(8, "little"))
            handle.write(np.asarray(storages[key], "<f4").tobytes())


def test_tensors_come_back_with_their_strides(tmp_path, names):
    tensors = {"a": ("1", 0, (2, 3), (1, 2), False, None), "b": ("2", 1, (2,), (1,), False, None)}
    storages = {"1": np.arange(6), "2": np.array([5.0, 6.0, 7.0])}
    write(tmp_path / "x.pth", tensors, ["1", "2"], storages, names)
    found = read_tensors(tmp_path / "x.pth")
    assert found["a"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert found["b"].tolist() == [6, 7]


@pytest.mark.parametrize(
    ("offset", "shape", "strides"), [(0, (7,), (1,)), (5, (2,), (1,)), (0, (2,), (-1,))]
)
def test_tensors_outside_their_storage_are_refused(tmp_path, names, offset, shape, strides):
    tensors = {"a": ("1", offset, shape, strides, False, None)}
    write(tmp_path / "x.pth", tensors, ["1"], {"1": np.arange(6)}, names)
    with pytest.raises(BadTorchFile, match="beyond"):
        read_tensors(tmp_path / "x.pth")


def test_code_is_not_run(tmp_path):
    import os

    path = tmp_path / "x.pth"
    with path.open("wb") as handle:
        pickle.dump(torch_file.MAGIC, handle, protocol=2)
        pickle.dump(torch_file.PROTOCOL, handle, protocol=2)
        pickle.dump({}, handle, protocol=2)
        pickle.dump(_Named(os.mkdir, str(tmp_path / "made")), handle, protocol=2)
    with pytest.raises(BadTorchFile, match="mkdir"):
        read_tensors(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("data", [b"", b"no pickle", pickle.dumps(7)])
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(BadTorchFile, match=r"x\.pth"):
        read_tensors(tmp_path / "x.pth")


def test_cut_files_are_refused(tmp_path, names):
    path = tmp_path / "x.pth"
    tensors = {"a": ("1", 0, (6,), (1,), False, None)}
    write(path, tensors, ["1"], {"1": np.arange(6)}, names)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(BadTorchFile):
        read_tensors(path)
