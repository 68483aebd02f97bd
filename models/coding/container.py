"""The `.dsic` file: standard library only, so that a label is read at once.

    bytes  field
    4      magic "DSIC"
    1      version
    1      flags: bit 0 arch (1: post), bit 1 semantics present, bit 2 class ids
           are ImageNet's (else the model's own), the rest zero
    4      fingerprint of the model: networks and coding tables
    1–5    width  - 1, LEB128
    1–5    height - 1, LEB128
    2–4    semantics, if present: class id and probability
    1      CRC-8 of all above
    n      range-coded payload
    4      CRC-32 of all above, little-endian

Semantics with ImageNet ids take 16 bits: 10 of the class, 6 of the probability.
Otherwise the class is LEB128 and the probability one byte.
"""

from __future__ import annotations

import dataclasses
import zlib

MAGIC = b"DSIC"
VERSION = 1
EXTENSION = ".dsic"
# The longest header: read this much to know all but the picture.
HEAD_BYTES = 32
LARGEST_SIDE = 1 << 30

_POST, _SEMANTICS, _IMAGENET = 1, 2, 4


class CorruptFile(ValueError):
    """The bytes are no intact `.dsic` file of a version that is known."""


@dataclasses.dataclass(frozen=True)
class Semantics:
    """What the picture shows, as stored.

    Attributes:
      class_id: in ImageNet's sorted synsets if `imagenet`, else in the model's labels.
      probability: the head's belief, rounded to 1/64 (ImageNet ids) or 1/256.
      imagenet: which numbering `class_id` has.
    """

    class_id: int
    probability: float
    imagenet: bool


@dataclasses.dataclass(frozen=True)
class Header:
    """All of a file but its payload.

    Attributes:
      arch: `pre` or `post`.
      fingerprint: 4 bytes that name the model.
      width, height: of the picture, pixels.
      semantics: None in `post` files.
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


def _pack_semantics(s: Semantics) -> bytes:
    if s.imagenet:
        level = min(63, round(s.probability * 64))
        return (s.class_id << 6 | level).to_bytes(2, "big")
    return _leb128(s.class_id) + bytes([min(255, round(s.probability * 256))])


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
    semantics = b""
    if header.semantics is not None:
        flags |= _SEMANTICS | _IMAGENET * header.semantics.imagenet
        semantics = _pack_semantics(header.semantics)
    head = MAGIC + bytes([VERSION, flags]) + header.fingerprint
    head += _leb128(header.width - 1) + _leb128(header.height - 1) + semantics
    body = head + bytes([crc8(head)]) + payload
    return body + zlib.crc32(body).to_bytes(4, "little")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise CorruptFile("the file ends inside its header.")
        self.at += count
        return self.data[self.at - count : self.at]

    def leb128(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise CorruptFile("a number in the header has no end.")

    def semantics(self, imagenet: bool) -> Semantics:
        if imagenet:
            packed = int.from_bytes(self.take(2), "big")
            return Semantics(packed >> 6, (packed & 63) / 64, True)
        class_id = self.leb128()
        return Semantics(class_id, self.take(1)[0] / 256, False)


def read_header(data: bytes) -> tuple[Header, int]:
    """Parses the front of a file; `HEAD_BYTES` of it are enough.

    Returns:
      The header and where the payload starts.

    Raises:
      CorruptFile: if it is damaged, or of a version not known here.
    """
    reader = _Reader(data)
    if reader.take(min(4, len(data))) != MAGIC:
        raise CorruptFile("this is no .dsic file.")
    version, flags = reader.take(2)
    if version != VERSION:
        raise CorruptFile(f"format version {version} is newer than this program; update it.")
    fingerprint = reader.take(4)
    width, height = reader.leb128() + 1, reader.leb128() + 1
    semantics = reader.semantics(bool(flags & _IMAGENET)) if flags & _SEMANTICS else None
    end = reader.at
    if reader.take(1)[0] != crc8(data[:end]) or flags >> 3 or max(width, height) > LARGEST_SIDE:
        raise CorruptFile("the header is damaged.")
    arch = "post" if flags & _POST else "pre"
    return Header(arch, fingerprint, width, height, semantics), reader.at


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
