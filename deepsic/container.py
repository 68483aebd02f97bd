"""The `.dsic` file: standard library only, so that a label is read at once.

    bytes  field
    4      magic "DSIC"
    1      version
    1      flags: bit 0 arch (1: post), bit 1 the tree of the semantics (1: ImageNet's,
           0: the model's own), bit 2 grey, bit 3 sections follow, bits 4–7 zero
    1      bytes of the semantics, 0–63
    4      fingerprint of the model: networks and coding tables
    1      step: which of the model's quantiser steps; 225 to 255 mean -31 to -1
    1–5    width  - 1, LEB128
    1–5    height - 1, LEB128
    0–63   semantics: what the picture shows
    1–5    bytes of the payload, LEB128; only where sections follow
    1      CRC-8 of all above
    n      range-coded payload
    4      CRC-32 of all above, little-endian

then sections, if any, one after another to the end of the file:

    1      kind; with its highest bit, who does not know it must not show the picture
    1–5    bytes of the data, LEB128
    n      data
    4      CRC-32 of the section, little-endian

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
from collections.abc import Sequence
from typing import NamedTuple

from deepsic import leb128
from deepsic.checksums import crc8, crc32
from deepsic.errors import CorruptFile, NewerFile

MAGIC = b"DSIC"
VERSION = 2
EXTENSION = ".dsic"
MOST_SEMANTICS = 63
# The longest header: read this much to know all but the picture.
HEAD_BYTES = 12 + 3 * 5 + MOST_SEMANTICS + 1
LARGEST_SIDE = 1 << 30
# Of the model's quantiser steps, those that a header can name.
LOWEST_STEP, HIGHEST_STEP = -31, 224
# Kinds of sections.
EXIF, XMP, ALPHA = 1, 2, 0x83
CRITICAL = 0x80

_POST, _IMAGENET, _GREY, _SECTIONS, _ALPHA = 1, 2, 4, 8, 16
_KNOWN_FLAGS = _POST | _IMAGENET | _GREY | _SECTIONS | _ALPHA


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
    """All that a file says before its payload.

    Attributes:
      arch: `pre` or `post`.
      fingerprint: 4 bytes that name the model.
      width, height: of the picture, pixels.
      semantics: None if there are none, as in `post` files.
      step: which quantiser step of the model, -31 to 224.
      grey: whether the picture has no colours.
    """

    arch: str
    fingerprint: bytes
    width: int
    height: int
    semantics: Semantics | None = None
    step: int = 0
    grey: bool = False


class Section(NamedTuple):
    """What follows the payload of a file, one of several.

    Attributes:
      kind: `EXIF`, `XMP`, `ALPHA`, or one not known here, 0 to 255.
      data: its bytes.
    """

    kind: int
    data: bytes


def pack(header: Header, payload: bytes, sections: Sequence[Section] = ()) -> bytes:
    """A whole file.

    Raises:
      ValueError: if a field is out of range.
    """
    if header.arch not in ("pre", "post") or len(header.fingerprint) != 4:
        raise ValueError(f"no such header: {header}")
    if not (1 <= header.width <= LARGEST_SIDE and 1 <= header.height <= LARGEST_SIDE):
        raise ValueError(f"a picture of {header.width}×{header.height} has no .dsic form.")
    if not LOWEST_STEP <= header.step <= HIGHEST_STEP:
        raise ValueError(f"no file has the step {header.step}.")
    flags = _POST * (header.arch == "post") | _GREY * header.grey | _SECTIONS * bool(sections)
    flags |= _ALPHA * any(section.kind == ALPHA for section in sections)
    semantics = b""
    if header.semantics is not None:
        semantics = header.semantics.section
        if not 1 <= len(semantics) <= MOST_SEMANTICS:
            raise ValueError(f"semantics take 1 to {MOST_SEMANTICS} bytes, not {len(semantics)}.")
        flags |= _IMAGENET * header.semantics.imagenet
    head = MAGIC + bytes([VERSION, flags, len(semantics)]) + header.fingerprint
    head += bytes([header.step % 256])
    head += leb128.write(header.width - 1) + leb128.write(header.height - 1)
    head += semantics + (leb128.write(len(payload)) if sections else b"")
    body = head + bytes([crc8(head)]) + payload
    return b"".join([body, crc32(body), *map(_pack_section, sections)])


def _pack_section(section: Section) -> bytes:
    body = bytes([section.kind]) + leb128.write(len(section.data)) + section.data
    return body + crc32(body)


def read_header(data: bytes) -> tuple[Header, int]:
    """Parses the front of a file; `HEAD_BYTES` of it are enough.

    Returns:
      The header and where the payload starts.

    Raises:
      CorruptFile: if it is damaged, or of a version not known here.
    """
    header, start, _ = read_front(data)
    return header, start


def read_front(data: bytes) -> tuple[Header, int, int | None]:
    """Like `read_header`, with the bytes of the payload; None where no sections follow it."""
    if data[:4] != MAGIC:
        raise CorruptFile("this is no .dsic file.")
    try:
        _check_version(data[4])
        flags, count = data[5], data[6]
        if flags & ~_KNOWN_FLAGS:
            raise NewerFile("the header is newer than this program, or damaged.")
        width, at = leb128.read(data, 12)
        height, at = leb128.read(data, at)
        end = at + count
        semantics = Semantics(data[at:end], bool(flags & _IMAGENET)) if count else None
        length = None
        if flags & _SECTIONS:
            length, end = leb128.read(data, end)
        check = data[end]
    except IndexError:
        raise CorruptFile("the file ends inside its header.") from None
    stray = count > MOST_SEMANTICS or (flags & _IMAGENET and semantics is None)
    stray = stray or (flags & _ALPHA and length is None)
    if check != crc8(data[:end]) or stray or max(width, height) >= LARGEST_SIDE:
        raise CorruptFile("the header is damaged.")
    arch = "post" if flags & _POST else "pre"
    grey = bool(flags & _GREY)
    step = data[11] - 256 * (data[11] > HIGHEST_STEP)
    header = Header(arch, data[7:11], width + 1, height + 1, semantics, step, grey)
    return header, end + 1, length


def has_alpha(data: bytes) -> bool:
    """Whether a file's picture has transparency, which the sections must then hold.

    A section cannot tell: one that is damaged may be of any kind.

    Raises:
      CorruptFile: see `read_header`.
    """
    read_front(data)
    return bool(data[5] & _ALPHA)


def _check_version(version: int) -> None:
    if version < VERSION:
        raise CorruptFile(
            f"format version {version} was of a pre-release, whose files are read no more;"
            " compress the original again."
        )
    if version > VERSION:
        raise NewerFile(f"format version {version} is newer than this program; update it.")


def unpack(data: bytes) -> tuple[Header, bytes]:
    """Splits a whole file into header and payload, after checking both.

    Raises:
      CorruptFile: if one of them is damaged.
    """
    header, start, length = read_front(data)
    end = len(data) - 4 if length is None else start + length
    if end < start or end + 4 > len(data):
        raise CorruptFile("the file is cut short.")
    if crc32(data[:end]) != data[end : end + 4]:
        raise CorruptFile("the checksum is wrong: the file is damaged or cut short.")
    return header, data[start:end]


def read_sections(data: bytes) -> tuple[list[Section], list[int | None]]:
    """What follows the payload of a whole file.

    Returns:
      The intact sections, but for those of unknown kinds, and the kinds of damaged ones; None
      for all where the file ends before the first. What is behind one of a wrong size is lost.

    Raises:
      CorruptFile: if the front is damaged, or there is an intact section of an unknown kind that
        must be understood.
    """
    _, start, length = read_front(data)
    good: list[Section] = []
    damaged: list[int | None] = []
    if length is None:
        return good, damaged
    at = start + length + 4
    if at >= len(data):
        damaged.append(None)
    while at < len(data):
        kind = data[at]
        try:
            size, begin = leb128.read(data, at + 1)
        except (IndexError, CorruptFile):
            size, begin = len(data), at
        end = begin + size
        if end + 4 > len(data):
            damaged.append(kind)
            break
        if crc32(data[at:end]) != data[end : end + 4]:
            damaged.append(kind)
        elif kind in (EXIF, XMP, ALPHA):
            good.append(Section(kind, data[begin:end]))
        elif kind & CRITICAL:
            raise NewerFile(f"a section of kind {kind} is newer than this program; update it.")
        at = end + 4
    return good, damaged
