"""Whole numbers in as few bytes as they need: LEB128, seven bits a byte, lowest first."""

from __future__ import annotations

from deepsic.errors import CorruptFile


def write(value: int) -> bytes:
    """A number, 0 or more."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read(data: bytes, at: int) -> tuple[int, int]:
    """A number below 2³⁵, and where the next field starts.

    Args:
      data: in which it stands.
      at: where.

    Raises:
      IndexError: if the data end within it.
      CorruptFile: if it takes more than five bytes.
    """
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for shift in range(7, 35, 7):
        at += 1
        value |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return value, at + 1
    raise CorruptFile("a number in the header has no end.")
