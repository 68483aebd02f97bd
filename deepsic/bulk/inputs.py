"""What there is to do: pictures in folders, object stores and tar files, and files of archives."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import tarfile
from collections.abc import Collection, Iterator
from typing import NamedTuple

from deepsic import container
from deepsic.archives.places import Place, first_line, is_address
from deepsic.archives.schema import EXTENSION as PARQUET
from deepsic.archives.shards import Shard
from deepsic.errors import BadFile
from deepsic.formats import extensions as pictures
from deepsic.search.scan import UNFINISHED

TAR = ".tar"
CODED = frozenset({container.EXTENSION, PARQUET})
_MAGIC = "*?["


class Input(NamedTuple):
    """A picture, a file made of one, or some rows of an archive.

    Attributes:
      path: as its row calls it, from the folder that was named.
      place: the file that it is in, by its path or address.
      offset: where its bytes begin there; of rows, the number of the first.
      size: bytes; of rows, how many.
      problem: why it cannot be read, if that is known already.
    """

    path: str
    place: str
    offset: int = 0
    size: int = 0
    problem: str = ""


def find(name: str, extensions: Collection[str], rows: int) -> Iterator[Input]:
    """Everything in a place, in the order of its paths.

    Args:
      name: a folder, a file, or a glob; a path of this machine, or an address.
      extensions: of what is looked for; in tar files pictures always are.
      rows: of an archive, at most, to an input.

    Raises:
      BadFile: if there is no such place.
    """
    fixed = _fixed_part(name)
    place = Place.of(fixed)
    pattern = None if fixed == name else posixpath.join(place.path, posixpath.relpath(name, fixed))
    if place.is_file():
        found = [(posixpath.basename(place.path), place.size())]
        place, fixed = Place(place.system, posixpath.dirname(place.path)), posixpath.dirname(fixed)
    elif place.is_folder():
        found = list(place.walk())
    else:
        raise BadFile(f"{name} does not exist.")
    for path, size in found:
        inside = place / path
        if pattern is not None and not fnmatch.fnmatchcase(inside.path, pattern):
            continue
        if f"/{UNFINISHED}/" in f"/{path}":
            continue
        where = posixpath.join(fixed, path)
        kind = posixpath.splitext(path)[1].lower()
        if kind == TAR and pictures() & set(extensions):
            yield from _members(path, where, inside)
        elif kind == PARQUET and kind in extensions:
            yield from _rows(path, where, inside, rows)
        elif kind in extensions:
            yield Input(path, where, 0, size)


def _fixed_part(name: str) -> str:
    """The folder that holds all that a glob matches; the name itself if it is none."""
    if os.path.lexists(name) or not any(letter in name for letter in _MAGIC):
        return name if is_address(name) else os.path.abspath(name)
    parts = name.split("/")
    first = next(i for i, part in enumerate(parts) if any(letter in part for letter in _MAGIC))
    fixed = "/".join(parts[:first])
    return fixed if is_address(fixed) else os.path.abspath(fixed or ".")


def _members(path: str, where: str, place: Place) -> Iterator[Input]:
    """The pictures of a tar file; they are read in place."""
    try:
        with place.open() as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
            for member in tar:
                kind = posixpath.splitext(member.name)[1].lower()
                if member.isreg() and kind in pictures():
                    name = posixpath.join(path, posixpath.normpath("/" + member.name).lstrip("/"))
                    yield Input(name, where, member.offset_data, member.size)
    except (tarfile.TarError, BadFile, OSError) as error:
        yield Input(path, where, problem=f"{path} is no tar file, or damaged: {first_line(error)}.")


def _rows(path: str, where: str, place: Place, rows: int) -> Iterator[Input]:
    shard = Shard(place)
    for group in shard.groups:
        for first in range(shard.starts[group], shard.starts[group + 1], rows):
            count = min(rows, shard.starts[group + 1] - first)
            yield Input(f"{path}#{first}", where, first, count)
