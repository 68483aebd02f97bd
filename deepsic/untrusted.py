"""Reads files that a stranger may have made: nothing is run, followed, or unpacked unmeasured."""

from __future__ import annotations

import io
import json
import math
import os
import pathlib
import stat
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deepsic.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

# Of one file, and of what it unpacks to: four times the largest model's weights as float16.
LARGEST_FILE = 1 << 28
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


def read_plain(path: pathlib.Path) -> bytes:
    """A plain file of at most `LARGEST_FILE` bytes: no link, pipe or device.

    Raises:
      ModelError: if it is something else or cannot be read.
    """
    try:
        if path.is_symlink():
            raise ModelError(f"{path} is a link; the files of a model must lie in its folder.")
        with open(os.open(path, _FLAGS | getattr(os, "O_BINARY", 0)), "rb") as handle:
            status = os.fstat(handle.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
                raise ModelError(f"{path} is damaged: it is no plain file, or far too large.")
            return handle.read(LARGEST_FILE)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error


def parse_json(data: bytes, what: str) -> Any:
    """Parsed JSON.

    Raises:
      ModelError: if it is none.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{what} is damaged: {error}.") from error


def array_names(data: bytes, what: str) -> list[str]:
    """The names of the arrays of an .npz; raises ModelError if it is none."""
    return [name for name, _ in _members(data, what, lambda archive, member: None)]


def load_arrays(
    data: bytes, what: str, prefix: str | tuple[str, ...] = ""
) -> dict[str, np.ndarray]:
    """The arrays of an .npz: numbers only, never unpickled, measured before they are unpacked.

    Args:
      data: of the file.
      what: it is, for messages.
      prefix: what the names of those begin with that are wanted, or several such.

    Raises:
      ModelError: if it is none.
    """

    def read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray | None:
        # A member yields no more bytes than it declares.
        return _array(archive.read(member)) if member.filename.startswith(prefix) else None

    return {n: a for n, a in _members(data, what, read) if a is not None}


def _members(data: bytes, what: str, read: Callable) -> list[tuple[str, Any]]:
    """What `read` makes of each member of an .npz, by name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sum(m.file_size for m in members) > LARGEST_FILE:
                raise ValueError(f"it unpacks to more than {LARGEST_FILE} bytes")
            return [(m.filename.removesuffix(".npy"), read(archive, m)) for m in members]
    except Exception as error:  # zipfile and its decoders raise nearly anything
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"{what} is damaged: {reason[0].rstrip('.')}.") from error


def _array(data: bytes) -> np.ndarray:
    """An array of an .npy file's bytes; its header allocates nothing."""
    import numpy as np

    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array is of another version")
    shape, in_columns, dtype = np.lib.format.read_array_header_1_0(stream)
    rest = data[stream.tell() :]
    if dtype.kind not in "fiu" or min(shape, default=0) < 0:
        raise ValueError("an array is not of numbers")
    if math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError("an array is not of the size it says")
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if in_columns else "C")
