"""The `.dsic` file: standard library only, so that a label is read at once.

    bytes  field
    4      magic "DSIC"
    1      version
    1      flags: bit 0 arch (1: post), bit 1 the tree of the semantics (1: ImageNet's,
           0: the model's own), bits 2–7 the bytes of the semantics, 0 if there are none
    4      fingerprint of the model: networks and coding tables
    1–5    width  - 1, LEB128
    1–5    height - 1, LEB128
    0–63   semantics: what the picture shows
    1      CRC-8 of all above
    n      range-coded payload
    4      CRC-32 of all above, little-endian

The semantics are bits, the first one highest in its byte (`treecode` writes them):

    bits   field
    k      path through the tree from its root, most general first
    7      probability of the node that it leads to, in units of 1/128, rounded down
    4      threshold under which the path was not followed on, in units of 1/16
    8+k    for each alternative: a one, its path, its probability
    0–7    zeros up to the byte

In ImageNet's tree k is 10 or 11, which makes three bytes without alternatives. The
tree is a table that never changes (deepsic/wordnet/imagenet.tsv); a model's own tree is
made of its labels.json.
"""

from __future__ import annotations

import dataclasses
import zlib
from typing import NamedTuple

from deepsic.errors import CorruptFile

MAGIC = b"DSIC"
VERSION = 1
EXTENSION = ".dsic"
LARGEST_SECTION = 63
# The longest header: read this much to know all but the picture.
HEAD_BYTES = 10 + 2 * 5 + LARGEST_SECTION + 1
LARGEST_SIDE = 1 << 30

_POST, _IMAGENET, _SECTION_SHIFT = 1, 2, 2


class Semantics(NamedTuple):
    """What the picture shows, as stored.

    Attributes:
      section: 1 to 63 bytes, which `treecode.unpack` understands.
      imagenet: whether their tree is ImageNet's; else it is the model's own.
    """

    section: bytes
    imagenet: bool


@dataclasses.dataclass(frozen=True)
class Header:
    """All of a file but its payload.

    Attributes:
      arch: `pre` or `post`.
      fingerprint: 4 bytes that name the model.
      width, height: of the picture, pixels.
      semantics: None if there are none, as in `post` files.
    """

    arch: str
    fingerprint: bytes
    width: int
    height: int
    semantics: Semantics | None = None


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def crc8(data: bytes) -> int:
    """CRC-8 (polynomial 0x07) of some bytes."""
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def _crc8_table() -> bytes:
    table = bytearray()
    for byte in range(256):
        for _ in range(8):
            byte = (byte << 1 ^ 0x07) & 0xFF if byte & 0x80 else byte << 1
        table.append(byte)
    return bytes(table)


_CRC8 = _crc8_table()


def pack(header: Header, payload: bytes) -> bytes:
    """A whole file.

    Raises:
      ValueError: if a field is out of range.
    """
    if header.arch not in ("pre", "post") or len(header.fingerprint) != 4:
        raise ValueError(f"no such header: {header}")
    if not (1 <= header.width <= LARGEST_SIDE and 1 <= header.height <= LARGEST_SIDE):
        raise ValueError(f"a picture of {header.width}×{header.height} has no .dsic form.")
    flags = _POST * (header.arch == "post")
    section = b""
    if header.semantics is not None:
        section = header.semantics.section
        if not 1 <= len(section) <= LARGEST_SECTION:
            raise ValueError(f"semantics take 1 to {LARGEST_SECTION} bytes, not {len(section)}.")
        flags |= _IMAGENET * header.semantics.imagenet | len(section) << _SECTION_SHIFT
    head = MAGIC + bytes([VERSION, flags]) + header.fingerprint
    head += _leb128(header.width - 1) + _leb128(header.height - 1) + section
    body = head + bytes([crc8(head)]) + payload
    return body + zlib.crc32(body).to_bytes(4, "little")


def _read_leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number and where the next field starts; raises IndexError at the end of the data."""
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


def read_header(data: bytes) -> tuple[Header, int]:
    """Parses the front of a file; `HEAD_BYTES` of it are enough.

    Returns:
      The header and where the payload starts.

    Raises:
      CorruptFile: if it is damaged, or of a version not known here.
    """
    if data[:4] != MAGIC:
        raise CorruptFile("this is no .dsic file.")
    try:
        if data[4] != VERSION:
            raise CorruptFile(f"format version {data[4]} is newer than this program; update it.")
        flags = data[5]
        width, at = _read_leb128(data, 10)
        height, at = _read_leb128(data, at)
        end = at + (flags >> _SECTION_SHIFT)
        check = data[end]
    except IndexError:
        raise CorruptFile("the file ends inside its header.") from None
    semantics = Semantics(data[at:end], bool(flags & _IMAGENET)) if end > at else None
    stray = flags & _IMAGENET and semantics is None
    if check != crc8(data[:end]) or stray or max(width, height) >= LARGEST_SIDE:
        raise CorruptFile("the header is damaged.")
    arch = "post" if flags & _POST else "pre"
    return Header(arch, data[6:10], width + 1, height + 1, semantics), end + 1


def unpack(data: bytes) -> tuple[Header, bytes]:
    """Splits a whole file into header and payload, after checking both.

    Raises:
      CorruptFile: if anything is damaged.
    """
    header, start = read_header(data)
    if len(data) < start + 4:
        raise CorruptFile("the file is cut short.")
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise CorruptFile("the checksum is wrong: the file is damaged or cut short.")
    return header, data[start:-4]
