"""The file format: what is written is read, and damage is always noticed."""

import pathlib
import re
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsic import container
from deepsic.checksums import crc8
from deepsic.container import ALPHA, EXIF, XMP, Header, Section, Semantics
from deepsic.errors import CorruptFile, NewerFile

meanings = st.binary(min_size=1, max_size=container.MOST_SEMANTICS)
semantics = st.one_of(st.none(), st.builds(Semantics, meanings, st.booleans()))
headers = st.builds(
    Header,
    st.sampled_from(["pre", "post"]),
    st.binary(min_size=4, max_size=4),
    st.integers(1, 2**30),
    st.integers(1, 2**30),
    semantics,
    st.integers(-31, 224),
    st.booleans(),
)
section = st.builds(Section, st.sampled_from([EXIF, XMP, ALPHA]), st.binary(max_size=300))
sections = st.lists(section, max_size=3)
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "format.md"


@given(headers, st.binary(max_size=50), sections)
def test_a_file_is_read_as_it_was_written(header, payload, sections):
    data = container.pack(header, payload, sections)
    assert container.unpack(data) == (header, payload)
    assert container.read_sections(data) == (sections, [])


@given(headers, sections)
def test_the_front_of_a_file_is_enough_for_its_header(header, sections):
    data = container.pack(header, bytes(100), sections)
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


@given(headers, sections.filter(len), st.data())
def test_damage_to_sections_is_noticed_and_leaves_the_picture_alone(header, sections, data):
    whole = bytearray(container.pack(header, b"payload", sections))
    start = len(container.pack(header, b"payload")) + 1  # and the bytes of the payload
    at = data.draw(st.integers(8 * start, 8 * len(whole) - 1))
    whole[at // 8] ^= 1 << at % 8
    assert container.unpack(bytes(whole)) == (header, b"payload")
    _, damaged = container.read_sections(bytes(whole))
    assert damaged


@given(headers, sections.filter(len), st.data())
def test_sections_that_are_cut_short_are_noticed(header, sections, data):
    whole = container.pack(header, b"payload", sections)
    start = len(container.pack(header, b"payload")) + 1
    cut = whole[: data.draw(st.integers(start, len(whole) - 1))]
    assert container.unpack(cut) == (header, b"payload")
    good, damaged = container.read_sections(cut)
    # Cut between two, what is left is whole.
    assert damaged or good == sections[: len(good)] != sections


def test_a_damaged_section_is_named_and_the_next_one_read():
    sections = [Section(EXIF, b"exif"), Section(XMP, b"xmp")]
    data = bytearray(container.pack(Header("post", b"abcd", 1, 1), b"payload", sections))
    data[data.index(b"exif")] ^= 1
    assert container.read_sections(bytes(data)) == ([Section(XMP, b"xmp")], [EXIF])


def test_sections_of_unknown_kinds_are_passed_over_unless_they_must_be_understood():
    header = Header("post", b"abcd", 1, 1)
    data = container.pack(header, b"", [Section(0x7F, b"later"), Section(EXIF, b"now")])
    assert container.read_sections(data) == ([Section(EXIF, b"now")], [])
    data = container.pack(header, b"", [Section(0xFF, b"later")])
    with pytest.raises(NewerFile, match="newer"):
        container.read_sections(data)


@given(headers, st.data())
def test_a_file_keeps_that_it_is_transparent_whatever_becomes_of_its_sections(header, data):
    whole = bytearray(container.pack(header, b"payload", [Section(ALPHA, b"mask")]))
    assert container.has_alpha(whole)
    start = len(whole) - len(b"mask") - 6
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(start, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert container.has_alpha(whole)
    assert not container.has_alpha(container.pack(header, b"payload", [Section(EXIF, b"mask")]))


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\xff\xff", b"\x05"])
def test_a_section_that_lies_about_its_size_is_damaged(size):
    section = bytes([EXIF]) + size + b"data"
    section += zlib.crc32(section).to_bytes(4, "little")
    whole = container.pack(Header("post", b"abcd", 1, 1), b"payload", [Section(EXIF, b"")])
    lying = whole[:-6] + section
    assert container.unpack(lying)[1] == b"payload"
    assert container.read_sections(lying) == ([], [EXIF])


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
        fronts = [front[:i] + bytes([crc8(front[:i])]) for i in range(14, len(front))]
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


@pytest.mark.parametrize("bit", range(5, 8))
def test_flags_of_the_future_are_refused(bit):
    head = container.MAGIC + bytes([container.VERSION, 1 << bit, 0]) + b"abcd" + bytes(3)
    with pytest.raises(CorruptFile, match="newer"):
        container.read_header(head + bytes([crc8(head)]))


def test_a_front_without_semantics_names_no_tree():
    head = container.MAGIC + bytes([container.VERSION, 0b10, 0]) + b"abcd" + bytes(3)
    with pytest.raises(CorruptFile):
        container.read_header(head + bytes([crc8(head)]))


@pytest.mark.parametrize("section", [b"", bytes(container.MOST_SEMANTICS + 1)])
def test_semantics_that_fit_no_file_are_refused(section):
    with pytest.raises(ValueError, match="63"):
        container.pack(Header("pre", b"abcd", 1, 1, Semantics(section, True)), b"")


def test_overhead_stays_within_24_bytes_for_pictures_up_to_two_million_pixels_wide():
    header = Header("post", b"abcd", 2**21, 2**21)
    assert len(container.pack(header, b"")) <= 24


def test_the_worked_example_of_the_page_is_what_is_written():
    rows = re.findall(r"^\| `([0-9a-f ]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    data = bytes.fromhex("".join(rows))
    semantics = Semantics(b"\xd3\x5b\xe0", True)
    header = Header("pre", bytes.fromhex("7d15ca7d"), 224, 128, semantics, step=3)
    assert data == container.pack(header, b"xy", [Section(EXIF, b"MM\0*")])


def test_a_newer_version_says_so():
    data = bytearray(container.pack(Header("post", b"abcd", 1, 1), b""))
    data[4] = container.VERSION + 1
    with pytest.raises(CorruptFile, match="version"):
        container.unpack(bytes(data))


def test_files_of_the_pre_release_say_so():
    head = bytes.fromhex("44534943 01 0e 7d15ca7d df01 7f d35be0")
    with pytest.raises(CorruptFile, match="pre-release"):
        container.read_header(head + bytes([crc8(head)]))


def test_reading_a_header_imports_nothing_heavy():
    code = (
        "import sys, deepsic.store; from deepsic import taxonomy;"
        " taxonomy.imagenet(); print(*sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "tensorflow", "PIL", "absl"} & set(out.stdout.split())
