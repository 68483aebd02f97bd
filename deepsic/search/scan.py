"""Finds `.dsic` files and reads their fronts: standard library only, tens of thousands a second.

Parquet archives (`deepsic.archives`) are found, and left to others.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from deepsic import container
from deepsic.container import Header
from deepsic.errors import CorruptFile

PARQUET = ".parquet"
# Where `deepsic bulk` keeps what is not finished.
UNFINISHED = "_bulk"
_EXTENSIONS = (container.EXTENSION, PARQUET)
# A pipe that is called .dsic must not keep a search waiting.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Found(NamedTuple):
    """A file whose front is in order; its payload has not been looked at.

    Attributes:
      root: the folder that was searched, where an index of it belongs.
      path: of the file.
      header: of the file.
      size: bytes.
      mtime_ns: when it was last written.
    """

    root: str
    path: str
    header: Header
    size: int
    mtime_ns: int

    def source(self) -> str:
        """What `DsicFile` opens."""
        return self.path


class Failed(NamedTuple):
    """A file that could not be read, and why, in a sentence.

    Attributes:
      path: of the file.
      reason: a sentence.
      pixels: that must be allowed for it to be read; 0 if it is not that.
    """

    path: str
    reason: str
    pixels: int = 0

    @classmethod
    def because(cls, path: str, error: Exception) -> Failed:
        """With the reason that an error gives."""
        if isinstance(error, OSError):
            return cls(path, f"it cannot be read: {error.strerror}.")
        return cls(path, str(error), getattr(error, "pixels", 0))


class Shards(NamedTuple):
    """A Parquet archive, or a place of an object store that holds some.

    Attributes:
      path: of the file, or an address.
    """

    path: str


def walk(places: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Every `.dsic` and Parquet file, once, with the folder of its index, in no certain order.

    Args:
      places: folders, which are searched with their subfolders, files, and globs; or addresses
        of object stores, which are not looked into.

    Raises:
      FileNotFoundError: if a place is nothing of that.
    """
    seen = set()
    for place in places:
        for root, path in _walk_place(place):
            if path not in seen:
                seen.add(path)
                yield root, path


def _walk_place(place: str) -> Iterator[tuple[str, str]]:
    if os.path.lexists(place):
        matches, root = [place], place
    elif "://" in place:
        matches, root = [place], ""
    else:
        matches, root = sorted(glob.iglob(place, recursive=True)), _fixed_part(place)
    if not matches:
        raise FileNotFoundError(f"{place} is no file or folder, and as a pattern matches none.")
    for match in matches:
        if os.path.isdir(match):
            yield from ((root, path) for path in _walk_folder(match))
        elif match == place or match.endswith(_EXTENSIONS):
            yield root if root != match else os.path.dirname(match), match


def _walk_folder(folder: str) -> Iterator[str]:
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name != UNFINISHED:
                            stack.append(entry.path)
                    elif entry.name.endswith(_EXTENSIONS):
                        yield entry.path
        except PermissionError:  # as `find` does, what is closed is passed over
            continue


def _fixed_part(pattern: str) -> str:
    """The folder of a glob in which all matches are."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern


def read(root: str, path: str) -> Found:
    """Reads the front of a file.

    Raises:
      CorruptFile: if it is damaged.
      OSError: if it cannot be opened.
    """
    handle = os.open(path, _FLAGS)
    try:
        front = os.read(handle, container.HEAD_BYTES)
        status = os.fstat(handle)
    finally:
        os.close(handle)
    header, _ = container.read_header(front)
    return Found(root, path, header, status.st_size, status.st_mtime_ns)


def scan(places: Iterable[str]) -> Iterator[Found | Failed | Shards]:
    """The fronts of all files in some places, in no certain order.

    Raises:
      FileNotFoundError: if a place does not exist.
    """
    for root, path in walk(places):
        if path.endswith(PARQUET) or ("://" in path and not os.path.lexists(path)):
            yield Shards(path)
            continue
        try:
            yield read(root, path)
        except (CorruptFile, OSError) as error:
            yield Failed.because(path, error)
