"""Rows of Parquet archives back to loose `.dsic` files."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Sequence

from deepsic.archives.shards import Shard
from deepsic.bulk.work import target
from deepsic.errors import BadFile
from deepsic.files import write_atomically


def unpack(
    shards: Sequence[Shard], out: pathlib.Path, overwrite: bool, warn: Callable[[str], None]
) -> tuple[int, int]:
    """Writes the file of every row; those that are there and the same are left alone.

    Args:
      shards: of the archive.
      out: folder of the files.
      overwrite: replace files that are there and others.
      warn: gets a sentence for every row that there is no file of.

    Returns:
      How many files are there now, and how many rows have none.

    Raises:
      BadFile: if two rows would be one file, one is there already, or nothing can be written.
    """
    _check_distinct(shards)
    count = bad = 0
    for shard in shards:
        for group in shard.groups:
            for row in shard.read(group, ["path", "error", "dsic"]).to_pylist():
                reason = _problem(row["path"], row["error"], row["dsic"])
                if reason:
                    bad += 1
                    warn(f"{row['path']!r}: {reason}")
                    continue
                _write(out / target(row["path"]), row["dsic"], overwrite)
                count += 1
    return count, bad


def _problem(path: str, error: str | None, data: bytes | None) -> str | None:
    if error is not None or data is None:
        return error or "the row has no file."
    parts = pathlib.PurePosixPath(path).parts
    if not parts or os.path.isabs(path) or ".." in parts or "\\" in path or "\0" in path:
        return "it would lie outside of the folder."
    return None


def _write(path: pathlib.Path, data: bytes, overwrite: bool) -> None:
    if path.is_file() and not overwrite:
        if path.read_bytes() == data:
            return
        raise BadFile(f"{path} exists and is another file; --overwrite replaces it.")
    write_atomically(path, lambda handle: handle.write(data))


def _check_distinct(shards: Sequence[Shard]) -> None:
    seen: set[str] = set()
    for shard in shards:
        for group in shard.groups:
            table = shard.read(group, ["path", "error"])
            for path, error in zip(
                *map(list, (table[0].to_pylist(), table[1].to_pylist())), strict=True
            ):
                if error is None and target(path) in seen:
                    raise BadFile(f"two rows would both be written to {target(path)}.")
                seen.add(target(path))
