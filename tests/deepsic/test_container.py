"""The file format: what is written is read, and damage is always noticed."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsic import container
from deepsic.container import Header, Semantics
from deepsic.errors import CorruptFile

sections = st.binary(min_size=1, max_size=container.LARGEST_SECTION)
semantics = st.one_of(st.none(), st.builds(Semantics, sections, st.booleans()))
headers = st.builds(
    Header,
    st.sampled_from(["pre", "post"]),
    st.binary(min_size=4, max_size=4),
    st.integers(1, 2**30),
    st.integers(1, 2**30),
    semantics,
)


@given(headers, st.binary(max_size=50))
def test_a_file_is_read_as_it_was_written(header, payload):
    found, rest = container.unpack(container.pack(header, payload))
    assert rest == payload
    assert found == header


@given(headers)
def test_the_front_of_a_file_is_enough_for_its_header(header):
    data = container.pack(header, bytes(100))
    found, start = container.read_header(data[: container.HEAD_BYTES])
    assert found == container.unpack(data)[0]
    assert start <= container.HEAD_BYTES


@given(headers, st.data())
def test_every_flipped_bit_is_noticed(header, data):
    whole = bytearray(container.pack(header, b"payload"))
    at = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[at // 8] ^= 1 << at % 8
    with pytest.raises(CorruptFile):
        container.unpack(bytes(whole))


@given(headers, st.data())
def test_every_prefix_is_noticed(header, data):
    whole = container.pack(header, b"payload")
    with pytest.raises(CorruptFile):
        container.unpack(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=200))
def test_other_bytes_are_no_file(data):
    with pytest.raises(CorruptFile):
        container.unpack(data)
    with pytest.raises(CorruptFile):
        container.unpack(container.MAGIC + data)


@given(st.binary(max_size=100), st.booleans())
def test_any_front_of_a_file_is_a_header_or_damaged(data, right_checksum):
    front = container.MAGIC + bytes([container.VERSION]) + data
    if right_checksum:
        # Where the checksum stands follows from the bytes themselves: put it everywhere.
        fronts = [front[:i] + bytes([container.crc8(front[:i])]) for i in range(12, len(front))]
    else:
        fronts = [front]
    for each in fronts:
        try:
            header, start = container.read_header(each)
        except CorruptFile:
            continue
        whole = container.pack(header, b"payload")
        assert container.unpack(whole) == (header, b"payload")
        assert start <= len(each)


def test_a_front_without_semantics_names_no_tree():
    head = container.MAGIC + bytes([container.VERSION, 0b10]) + b"abcd" + bytes(2)
    with pytest.raises(CorruptFile):
        container.read_header(head + bytes([container.crc8(head)]))


@pytest.mark.parametrize("section", [b"", bytes(container.LARGEST_SECTION + 1)])
def test_semantics_that_fit_no_file_are_refused(section):
    with pytest.raises(ValueError, match="63"):
        container.pack(Header("pre", b"abcd", 1, 1, Semantics(section, True)), b"")


def test_overhead_stays_within_24_bytes_for_pictures_up_to_two_million_pixels_wide():
    header = Header("post", b"abcd", 2**21, 2**21)
    assert len(container.pack(header, b"")) <= 24


def test_a_file_with_three_bytes_of_semantics_written_out_by_hand():
    header = Header("pre", bytes.fromhex("7d15ca7d"), 224, 128, Semantics(b"\xd3\x5b\xe0", True))
    head = bytes.fromhex("44534943 01 0e 7d15ca7d df01 7f d35be0")
    assert container.pack(header, b"xy").startswith(head + bytes([container.crc8(head)]) + b"xy")
    assert container.crc8(b"123456789") == 0xF4


def test_a_newer_version_says_so():
    data = bytearray(container.pack(Header("post", b"abcd", 1, 1), b""))
    data[4] = container.VERSION + 1
    with pytest.raises(CorruptFile, match="version"):
        container.unpack(bytes(data))


def test_reading_a_header_imports_nothing_heavy():
    code = (
        "import sys, deepsic.store; from deepsic import taxonomy;"
        " taxonomy.imagenet(); print(*sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "tensorflow", "PIL", "absl"} & set(out.stdout.split())
