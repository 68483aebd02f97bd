"""Files in and out: how much one may promise, and how one is written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import pathlib
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import IO, Any

from deepsic.errors import BadFile, NoRoom, TooManyPixels

try:
    import fcntl
except ImportError:  # there, nothing tells a dead writer's file from a living one's
    fcntl = None  # type: ignore[assignment]

# Larger pictures are refused unless asked for.
MAX_PIXELS = 200_000_000
# Any file may promise as many, more only if it is not small: this fits into 1 GB of memory.
ANY_PIXELS = 1 << 24
# Of a stream, whose size nobody knows.
LARGEST_STREAM = 1 << 30

# With the eight letters that tempfile adds, a name stays under a file system's 255 bytes.
_LONGEST = 60
_TEMPORARY = re.compile(r"\.(.{1,60})\.[a-z0-9_]{8}\.tmp", re.DOTALL)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_PLAIN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)

Write = Callable[[IO[Any]], Any]


def check_pixels(
    what: str, width: int, height: int, size: int, per_byte: int, max_pixels: int | None
) -> None:
    """Raises TooManyPixels if a file should not be decoded.

    Args:
      what: is spoken of: the file.
      width, height: that it promises, pixels.
      size: of the file, bytes.
      per_byte: how many pixels each of its bytes may promise beyond `ANY_PIXELS`.
      max_pixels: the only limit, if it is given.
    """
    limit = max_pixels
    if limit is None:
        limit = min(MAX_PIXELS, ANY_PIXELS + per_byte * size)
    if width * height <= limit:
        return
    reason = f"has {width}×{height} pixels, more than {limit}."
    if max_pixels is None and width * height <= MAX_PIXELS:
        reason = f"promises {width}×{height} pixels in {size} bytes, as empty pictures do."
    raise TooManyPixels(f"{what} {reason}", width * height)


def is_temporary(name: str) -> bool:
    """Whether a file's name is one that `write_atomically` gives before the right one."""
    return _TEMPORARY.fullmatch(name) is not None


def write_atomically(path: str | os.PathLike, write: Write) -> None:
    """Calls `write` with a temporary file in the same folder, then renames it to `path`.

    Raises:
      BadFile: if the place cannot be written, or the disk is full.
    """
    write_together({path: write})


def read_stdin() -> IO[bytes]:
    """All of standard input, as a file that can seek.

    Raises:
      BadFile: if nothing is sent there, or more than `LARGEST_STREAM` bytes.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise BadFile("standard input is a terminal; send a file to it.")
    data = sys.stdin.buffer.read(LARGEST_STREAM + 1)
    if len(data) > LARGEST_STREAM:
        raise BadFile(f"standard input is longer than {LARGEST_STREAM} bytes.")
    return io.BytesIO(data)


def write_stdout(data: bytes) -> None:
    """Sends bytes to standard output; raises BadFile if that is a terminal."""
    if sys.stdout.isatty():
        raise BadFile("standard output is a terminal; send it to a file.")
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def write_text_atomically(path: str | os.PathLike, write: Write) -> None:
    """Like `write_atomically`, with a UTF-8 text file."""

    def encode(handle: IO[bytes]) -> None:
        text = io.StringIO(newline="")
        write(text)
        handle.write(text.getvalue().encode())

    write_atomically(path, encode)


def write_together(writers: Mapping[str | os.PathLike, Write]) -> None:
    """Like `write_atomically`, for files that belong together.

    None gets its name before all are on the disk; they get their names in the order given.

    Raises:
      BadFile: if one of them cannot be written.
    """
    staged: list[tuple[pathlib.Path, IO[bytes]]] = []
    try:
        for place, write in writers.items():
            path = pathlib.Path(place)
            with _named(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                _remove_leftovers(path)
                handle = _temporary_for(path)
                staged.append((path, handle))
                write(handle)
                handle.flush()
                os.fsync(handle.fileno())
                os.chmod(handle.name, 0o666 & ~_umask())
        for path, handle in staged:
            with _named(path):
                os.replace(handle.name, path)
    finally:
        for _, handle in staged:
            pathlib.Path(handle.name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # a full disk was reported already
                handle.close()


@contextlib.contextmanager
def _named(path: pathlib.Path):
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        kind = NoRoom if error.errno in _NO_ROOM else BadFile
        raise kind(f"{path} cannot be written: {reason}.") from error


def _temporary_for(path: pathlib.Path) -> IO[bytes]:
    """An open temporary file, locked so that no other process takes it for a leftover."""
    import tempfile  # which takes longer to import than a label to read

    while True:
        handle = tempfile.NamedTemporaryFile(  # noqa: SIM115  (the caller closes it)
            dir=path.parent, prefix=f".{path.name[:_LONGEST]}.", suffix=".tmp", delete=False
        )
        # Before the lock another process may have removed it.
        if not lock(handle.fileno()) or os.path.exists(handle.name):
            return handle
        handle.close()


def lock(descriptor: int) -> bool | None:
    """Locks an open file until it is closed.

    Returns:
      Whether that went well; False if another process holds it, None if nothing can tell.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        return None
    return True


def _remove_leftovers(path: pathlib.Path) -> None:
    """Removes what processes that were killed left of earlier attempts at the same file."""
    for name in _leftovers(str(path.parent)).pop(path.name[:_LONGEST], ()):
        with contextlib.suppress(OSError):
            # Whatever else has such a name, a pipe or a link, is not waited for or followed.
            descriptor = os.open(path.parent / name, _PLAIN)
            try:
                if lock(descriptor):
                    os.unlink(path.parent / name)
            finally:
                os.close(descriptor)


@functools.lru_cache(maxsize=64)
def _leftovers(folder: str) -> dict[str, list[str]]:
    """Temporary files in a folder by what they were to become, looked up once a process."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in os.listdir(folder):
        match = _TEMPORARY.fullmatch(name)
        if match:
            found[match[1]].append(name)
    return found


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
