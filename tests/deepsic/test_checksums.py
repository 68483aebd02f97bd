"""Checksums, beside the values that their standards give."""

from deepsic.checksums import crc8, crc32


def test_checksums_are_those_of_their_standards():
    assert crc8(b"123456789") == 0xF4
    assert crc32(b"123456789") == bytes.fromhex("2639f4cb")
