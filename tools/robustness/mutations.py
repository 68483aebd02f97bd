"""Damage done to files on purpose, with checksums that fit again so that deeper layers see it."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from deepsic import container

KINDS = ("flip", "set", "insert", "delete", "repeat", "cut")
# Whether checksums are left alone, mended, or mended with one part of the file as it was.
REPAIRS = ("none", "all", "header only", "payload only")
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
    """A damaged `.dsic` file without sections, whose checksums fit unless `repair` is `none`."""
    _, start = container.read_header(data)
    head, payload = data[: start - 1], data[start:-4]
    if repair == "none":
        return apply(data, edits)
    if repair == "all":
        rest = apply(head + payload, edits)
        return _sealed(rest, _head_length(rest))
    if repair == "header only":
        head = apply(head, edits)
    else:
        payload = apply(payload, edits)
    return _sealed(head + payload, len(head))


def _sealed(body: bytes, head: int) -> bytes:
    """A file with right checksums, the header's after `head` bytes."""
    body = body[:head] + bytes([container.crc8(body[:head])]) + body[head:]
    return body + zlib.crc32(body).to_bytes(4, "little")


def _head_length(data: bytes) -> int:
    """Where a reader expects the header's checksum, whatever the bytes are."""
    at = 12
    for _ in range(2):
        while at < len(data) and data[at] > 0x7F:
            at += 1
        at += 1
    semantics = data[6] if len(data) > 6 else 0
    return min(at + semantics, len(data))


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
