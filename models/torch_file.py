"""Tensors out of a PyTorch file, without PyTorch and without running what the file says.

The file is a pickle: a program that may call anything. Here it may name four
things only, all of them ours, which describe tensors and do nothing else.
"""

from __future__ import annotations

import collections
import pathlib
import pickle
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
_STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class BadTorchFile(Exception):
    """The file is none of the kind that is understood here."""


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild(storage, offset, shape, strides, *_) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _Unpickler(pickle.Unpickler):
    """Knows dictionaries, tensors and their storages; refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise BadTorchFile(f"it names {module}.{name}, which no file of weights needs.")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, size, view = pid
        if kind != "storage" or view is not None or not isinstance(dtype, np.dtype):
            raise BadTorchFile("it holds a storage of an unknown kind.")
        return _Storage(str(key), dtype, int(size))


def read_tensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors of a dictionary saved by torch.save before version 1.6.

    Raises:
      BadTorchFile: if the file is another, or damaged.
    """
    with path.open("rb") as handle:
        try:
            if [_load(handle), _load(handle)] != [MAGIC, PROTOCOL]:
                raise BadTorchFile("it is no PyTorch file of the older kind.")
            _load(handle)  # sizes of C types, which the storages' names settle
            tensors = _load(handle)
            storages = _read_storages(handle, tensors, _load(handle))
            return {name: _view(storages[t.storage.key], t) for name, t in tensors.items()}
        except BadTorchFile as error:
            raise BadTorchFile(f"{path} is not read: {error}") from None
        # What unpicklers raise on damaged files has no end.
        except Exception as error:
            raise BadTorchFile(f"{path} is damaged: {error}.") from error


def _load(handle: BinaryIO) -> Any:
    return _Unpickler(handle).load()


def _read_storages(handle: BinaryIO, tensors: dict, keys: list[str]) -> dict[str, np.ndarray]:
    known = {t.storage.key: t.storage for t in tensors.values()}
    found = {}
    for key in keys:
        size = int.from_bytes(handle.read(8), "little")
        storage = known[key]
        if size != storage.size:
            raise BadTorchFile("a storage is not as long as its tensor says.")
        data = handle.read(size * storage.dtype.itemsize)
        found[key] = np.frombuffer(data, storage.dtype, size)
    return found


def _view(storage: np.ndarray, tensor: _Tensor) -> np.ndarray:
    """A copy of a strided part of a storage, after checking that it lies inside."""
    steps = [(n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True)]
    inside = tensor.offset >= 0 and all(n >= 0 for n in tensor.shape)
    inside &= all(s >= 0 for s in tensor.strides) and tensor.offset + sum(steps) < len(storage)
    if not inside:
        raise BadTorchFile("a tensor reaches beyond its storage.")
    strides = [s * storage.itemsize for s in tensor.strides]
    view = np.lib.stride_tricks.as_strided(
        storage[tensor.offset :], tensor.shape, strides, writeable=False
    )
    return np.ascontiguousarray(view)
