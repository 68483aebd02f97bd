"""Damage done to files on purpose, with checksums that fit again so that deeper layers see it."""

from __future__ import annotations

import contextlib
import random
import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from deepsic import container
from deepsic.checksums import crc8
from deepsic.errors import CorruptFile

KINDS = ("flip", "set", "insert", "delete", "repeat", "cut")
# Whether checksums are left alone, mended, or mended with one part of the file as it was.
REPAIRS = ("none", "all", "header only", "payload only", "sections only")
_PNG = b"\x89PNG\r\n\x1a\n"


class Edit(NamedTuple):
    """One change.

    Attributes:
      kind: of KINDS.
      at: where, as a share of the length, 0 to 1.
      value: 0 to 255; which bit or byte, or how many.
    """

    kind: str
    at: float
    value: int


def random_edits(rng: random.Random, most: int = 4) -> list[Edit]:
    """One to `most` edits; places near the front are likelier, where formats keep their fields."""
    front = rng.random() < 0.5
    return [
        Edit(rng.choice(KINDS), rng.random() * (0.1 if front else 1.0), rng.randrange(256))
        for _ in range(rng.randint(1, most))
    ]


def apply(data: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes after some edits, one after the other."""
    out = bytearray(data)
    for kind, at, value in edits:
        i = min(int(at * len(out)), max(0, len(out) - 1))
        if kind == "insert":
            out[i:i] = bytes([value])
        elif kind == "repeat":
            out[i:i] = out[i : i + value]
        elif kind == "delete":
            del out[i : i + 1 + value % 16]
        elif kind == "cut":
            del out[i:]
        elif out:
            out[i] = out[i] ^ 1 << value % 8 if kind == "flip" else value
    return bytes(out)


def mutate(data: bytes, edits: Iterable[Edit], repair: str) -> bytes:
    """A damaged `.dsic` file, whose checksums fit unless `repair` is `none`."""
    _, start, length = container.read_front(data)
    end = len(data) - 4 if length is None else start + length
    head, payload, tail = data[: start - 1], data[start:end], data[end + 4 :]
    if repair == "none":
        return apply(data, edits)
    if repair == "all":
        rest = apply(head + payload, edits)
        return _sealed(rest, _head_length(rest)) + tail
    if repair == "sections only":
        return data[: end + 4] + _mend_sections(apply(tail, edits))
    if repair == "header only":
        head = apply(head, edits)
    else:
        payload = apply(payload, edits)
    return _sealed(head + payload, len(head)) + tail


def _sealed(body: bytes, head: int) -> bytes:
    """A file with right checksums, the header's after `head` bytes.

    The payload's is where the header says that the payload ends; what is left goes behind it.
    """
    body = body[:head] + bytes([crc8(body[:head])]) + body[head:]
    end = len(body)
    with contextlib.suppress(CorruptFile):
        _, start, length = container.read_front(body)
        end = end if length is None else min(end, start + length)
    return body[:end] + zlib.crc32(body[:end]).to_bytes(4, "little") + body[end:]


def _head_length(data: bytes) -> int:
    """Where a reader expects the header's checksum, whatever the bytes are."""
    at = _skip_numbers(data, 12, 2) + (data[6] if len(data) > 6 else 0)
    if len(data) > 5 and data[5] & 8:
        at = _skip_numbers(data, at, 1)
    return min(at, len(data))


def _skip_numbers(data: bytes, at: int, count: int) -> int:
    """The place behind some LEB128 numbers."""
    for _ in range(count):
        while at < len(data) and data[at] > 0x7F:
            at += 1
        at += 1
    return at


def _mend_sections(tail: bytes) -> bytes:
    """Sections with checksums that fit, as far as their sizes do."""
    out, at = bytearray(tail), 0
    while at < len(out):
        begin = _skip_numbers(tail, at + 1, 1)
        size = sum((b & 0x7F) << 7 * i for i, b in enumerate(out[at + 1 : begin]))
        end = begin + size
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[at:end]).to_bytes(4, "little")
        at = end + 4
    return bytes(out)


def mend_png(data: bytes) -> bytes:
    """A PNG file's chunks with checksums that fit; other files as they are."""
    if not data.startswith(_PNG):
        return data
    out, at = bytearray(_PNG), len(_PNG)
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out)
