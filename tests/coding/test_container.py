"""The file format: what is written is read, and damage is always noticed."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.coding import container
from models.coding.container import CorruptFile, Header, Semantics

semantics = st.one_of(
    st.none(),
    st.builds(Semantics, st.integers(0, 999), st.floats(0, 1), st.just(True)),
    st.builds(Semantics, st.integers(0, 2**20), st.floats(0, 1), st.just(False)),
)
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
    assert found.arch == header.arch
    assert found.fingerprint == header.fingerprint
    assert (found.width, found.height) == (header.width, header.height)
    if header.semantics is None:
        assert found.semantics is None
    else:
        assert found.semantics.class_id == header.semantics.class_id
        assert found.semantics.probability == pytest.approx(header.semantics.probability, abs=0.016)


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


def test_overhead_stays_within_24_bytes_for_pictures_up_to_two_million_pixels_wide():
    header = Header("post", b"abcd", 2**21, 2**21)
    assert len(container.pack(header, b"")) <= 24


def test_a_newer_version_says_so():
    data = bytearray(container.pack(Header("post", b"abcd", 1, 1), b""))
    data[4] = container.VERSION + 1
    with pytest.raises(CorruptFile, match="version"):
        container.unpack(bytes(data))


def test_reading_a_header_imports_nothing_heavy():
    code = "import sys, models.coding.container, models.labels; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "tensorflow", "PIL", "absl"} & set(out.stdout.split())
