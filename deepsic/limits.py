"""Reads `.dsic` files of strangers after weighing what they promise: standard library only."""

from __future__ import annotations

import os
import stat
from typing import IO

from deepsic import container, files
from deepsic.container import Header
from deepsic.errors import CorruptFile

# What each byte of a file may promise. Plain grey takes a byte for 200 pixels with models of
# 0.5 bpp, for 1,300 with one of 0.12.
PIXELS_PER_BYTE = 4096
# More than any coder takes for a pixel, and for everything else in a file.
_BYTES_PER_PIXEL = 64
_BYTES_BESIDES = 1 << 22
# A pipe that is called .dsic must not keep a program waiting.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_file(path: str | os.PathLike, max_pixels: int | None = None) -> bytes:
    """A whole file whose header is intact and promises no more than it may.

    Args:
      path: of the file.
      max_pixels: promises of more are refused before anything is allocated; None for
        `files.MAX_PIXELS`, and for less where the file is small.

    Raises:
      CorruptFile: if the header is damaged or promises too much.
      OSError: if it cannot be read.
    """
    with open(os.open(path, _FLAGS), "rb") as handle:
        status = os.fstat(handle.fileno())
        front = handle.read(container.HEAD_BYTES) if stat.S_ISREG(status.st_mode) else b""
        header, _ = container.read_header(front)
        check(header, status.st_size, max_pixels)
        return front + handle.read(status.st_size)


def read_stream(handle: IO[bytes], max_pixels: int | None = None) -> bytes:
    """Like `read_file`, from an open binary file.

    Raises:
      CorruptFile: if the header is damaged or promises too much.
    """
    front = handle.read(container.HEAD_BYTES)
    header, _ = container.read_header(front)
    most = _BYTES_PER_PIXEL * header.width * header.height + _BYTES_BESIDES
    data = front + handle.read(min(most, files.LARGEST_STREAM) + 1)
    check(header, len(data), max_pixels)
    return data


def check(header: Header, size: int, max_pixels: int | None = None) -> None:
    """Raises CorruptFile if a file of `size` bytes promises too much, or too little."""
    files.check_pixels("it", header.width, header.height, size, PIXELS_PER_BYTE, max_pixels)
    if size > _BYTES_PER_PIXEL * header.width * header.height + _BYTES_BESIDES:
        raise CorruptFile(f"it has {size} bytes, more than its picture can need.")
