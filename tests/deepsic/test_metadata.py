"""EXIF and XMP: kept, upright, without a thumbnail, bounded."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from deepsic import metadata
from deepsic.errors import CorruptFile
from deepsic.images import read_picture, write_picture
from deepsic.metadata import Metadata
from deepsic.picture import Picture
from tools.robustness.small_pictures import photograph

ORIENTATION, MAKE, DATE, GPS = 0x0112, 0x010F, 0x9003, 0x8825
XMP = b'<x:xmpmeta><rdf tiff:Orientation="6">kept</rdf></x:xmpmeta>'


def no_warning(text):
    raise AssertionError(f"unexpected warning: {text}")


def exif(orientation=6, order="<"):
    found = Image.Exif()
    found.endian = order
    found[ORIENTATION] = orientation
    found[MAKE] = "Maker"
    found[0x8769] = {DATE: "2024:05:06 07:08:09", 0x927C: b"notes of the maker"}
    found[GPS] = {1: "N", 2: (48.0, 8.0, 30.0)}
    return found.tobytes().removeprefix(b"Exif\0\0")


def with_thumbnail(data, thumbnail):
    """The same EXIF with a second block that holds a small JPEG."""
    out = bytearray(data)
    at = int.from_bytes(out[4:8], "little")
    end = at + 2 + 12 * int.from_bytes(out[at : at + 2], "little")
    second = len(out)
    out[end : end + 4] = second.to_bytes(4, "little")
    place = second + 2 + 2 * 12 + 4
    out += b"\2\0"
    for tag, value in ((0x0201, place), (0x0202, len(thumbnail))):
        out += tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little")
    return bytes(out + bytes(4) + thumbnail)


def parse(data):
    found = Image.Exif()
    found.load(b"Exif\0\0" + data)
    return found


def save(path, x, data, xmp):
    options = {"exif": b"Exif\0\0" + data, "xmp": xmp}
    if path.suffix == ".png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif path.suffix == ".tif":
        tags = parse(data)
        tags[700] = xmp
        options["exif"] = tags
    Image.fromarray(x).save(path, **options)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "avif", "tif"])
def test_metadata_go_in_and_out(tmp_path, kind):
    x = photograph(1, 24, 40)
    save(tmp_path / f"a.{kind}", x, exif(), XMP)
    picture = read_picture(tmp_path / f"a.{kind}", warn=no_warning)
    assert picture.rgb.shape == (40, 24, 3)  # upright
    write_picture(tmp_path / f"b.{kind}", picture, warn=no_warning)
    again = read_picture(tmp_path / f"b.{kind}", warn=no_warning)
    assert again.rgb.shape == (40, 24, 3)
    for found in (picture, again):
        tags = parse(found.metadata.exif)
        assert tags.get(ORIENTATION, 1) == 1
        assert tags[MAKE] == "Maker"
        assert tags.get_ifd(0x8769)[DATE] == "2024:05:06 07:08:09"
        assert tags.get_ifd(GPS)[1] == "N"
        assert b"kept" in found.metadata.xmp
        assert b'"6"' not in found.metadata.xmp


def test_metadata_are_left_out_where_nobody_wants_them(tmp_path):
    save(tmp_path / "a.jpg", photograph(1), exif(), XMP)
    found = read_picture(tmp_path / "a.jpg", warn=no_warning, keep_metadata=False)
    assert found.metadata == Metadata()


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_is_reset_and_all_else_stays_in_its_place(order):
    data = exif(8, order)
    clean = metadata.clean_exif(data)
    assert len(clean) == len(data)
    assert sum(a != b for a, b in zip(clean, data, strict=True)) == 1
    assert parse(clean)[ORIENTATION] == 1


@pytest.mark.parametrize("behind", [b"", b"more"])
def test_thumbnails_are_removed(behind):
    data = with_thumbnail(exif(), b"\xff\xd8" + b"thumbnail" * 500) + behind
    clean = metadata.clean_exif(data)
    assert b"thumbnail" not in clean
    assert (len(clean) < len(data)) == (not behind)
    assert parse(clean).get_ifd(0x8769)[0x927C] == b"notes of the maker"


@given(st.binary(max_size=200), st.booleans())
def test_damaged_exif_is_cleaned_or_refused(data, start):
    with contextlib.suppress(ValueError):
        metadata.clean_exif((b"II*\0\x08\0\0\0" if start else b"") + data)


def test_damaged_exif_does_not_keep_a_picture_from_being_read(tmp_path):
    said = []
    save(tmp_path / "a.png", photograph(1), b"II*\0\xff\xff\xff\x7f", b"")
    assert read_picture(tmp_path / "a.png", warn=said.append).metadata.exif == b""
    assert len(said) == 1
    assert "EXIF" in said[0]


def test_very_large_metadata_are_left_out_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "LARGEST", 100)
    said = []
    save(tmp_path / "a.jpg", photograph(1), exif(), XMP)
    assert read_picture(tmp_path / "a.jpg", warn=said.append).metadata == Metadata(
        xmp=XMP.replace(b'"6"', b'"1"')
    )
    assert len(said) == 1
    assert "more than 100" in said[0]


@given(st.binary(max_size=300))
def test_sections_hold_what_was_put_in(data):
    packed = metadata.pack(data)
    assert metadata.unpack(packed) == data
    assert len(packed) <= len(data) + 1


@pytest.mark.parametrize("section", [b"", b"\2abc", b"\1abc", metadata.pack(bytes(900))[:-3]])
def test_damaged_sections_are_refused(section):
    with pytest.raises(CorruptFile):
        metadata.unpack(section)


@pytest.mark.parametrize("kind", ["ppm", "bmp", "jp2"])
def test_formats_without_metadata_say_so(tmp_path, kind):
    said = []
    write_picture(
        tmp_path / f"a.{kind}", Picture(photograph(1), None, Metadata(exif())), warn=said.append
    )
    assert len(said) == 1
    assert "metadata" in said[0]


def test_a_jpeg_holds_as_much_metadata_as_a_segment(tmp_path):
    said = []
    picture = Picture(photograph(1), None, Metadata(exif(), bytes(70_000)))
    write_picture(tmp_path / "a.jpg", picture, warn=said.append)
    assert len(said) == 1
    found = read_picture(tmp_path / "a.jpg", warn=no_warning).metadata
    assert found.exif
    assert not found.xmp
