"""Measurements kept on disk, so that a rerun measures only what is new.

An entry is a small JSON file named by the hash of its key. The key holds all
that decides the value: the picture's pixels, the model's checksums, the
settings, the versions of the libraries and the source of the code that
measured. Whatever changes among them, the entry is simply not found again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from deepsic import files

ROOT = pathlib.Path(__file__).resolve().parent.parent
Key = Mapping[str, Any]


class Cache:
    """Entries under one folder; several processes may use it at once.

    Args:
      folder: of the entries; made when the first is written.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def path(self, key: Key, extension: str = ".json") -> pathlib.Path:
        """Where an entry is, or would be."""
        name = hashlib.sha256(_text(key).encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}{extension}"

    def get(self, key: Key) -> Any:
        """The value stored under a key; None if there is none that is whole."""
        try:
            entry = json.loads(self.path(key).read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(entry, dict) or entry.get("key") != json.loads(_text(key)):
            return None
        return entry.get("value")

    def put(self, key: Key, value: Any) -> None:
        """Stores a value that JSON can hold, whole or not at all.

        Raises:
          BadFile: if the folder cannot be written.
        """
        entry = json.dumps({"key": json.loads(_text(key)), "value": value})
        files.write_text_atomically(self.path(key), lambda handle: handle.write(entry))


def _text(key: Key) -> str:
    return json.dumps(key, sort_keys=True)


def digest(x: np.ndarray) -> str:
    """Of a picture's pixels, whatever its file."""
    return hashlib.sha256(repr(x.shape).encode() + np.ascontiguousarray(x).tobytes()).hexdigest()


@functools.cache
def source_digest(*names: str) -> str:
    """Of the project's own code: files or folders, relative to its root."""
    total = hashlib.sha256()
    for name in names:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            total.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()
