"""The checksums of the `.dsic` file."""

from __future__ import annotations

import zlib


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


def crc32(data: bytes) -> bytes:
    """CRC-32 of some bytes, little-endian."""
    return zlib.crc32(data).to_bytes(4, "little")
