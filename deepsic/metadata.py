"""EXIF and XMP: taken from pictures, made fit for the picture as it is stored, and bounded."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from deepsic.errors import CorruptFile

# Of EXIF, and of XMP, before compression.
LARGEST = 1 << 20
_RAW, _DEFLATED = 0, 1

_EXIF_PREFIX = b"Exif\0\0"
_ORIENTATION, _THUMBNAIL, _THUMBNAIL_BYTES = 0x0112, 0x0201, 0x0202
_UPRIGHT = 1
# Of a TIFF's tags, those that describe the picture and not how the file is laid out.
_DESCRIPTIVE = (270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 18246, 33432)
_BLOCKS = (0x8769, 0x8825)  # Exif and GPS
_XMP = 700
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))[2-8](?=[\"'<])")


class Metadata(NamedTuple):
    """What a file says of its picture, as other formats store it.

    Attributes:
      exif: a TIFF structure, without the letters "Exif" before it; b"" if there is none.
      xmp: an XML packet; b"" if there is none.
    """

    exif: bytes = b""
    xmp: bytes = b""


def extract(image: Any, what: str, warn: Callable[[str], None]) -> Metadata:
    """The metadata of a Pillow image, its orientation reset, without EXIF's thumbnail.

    Args:
      image: as Pillow opened it, before it is rotated.
      what: is spoken of in warnings: the file.
      warn: gets a sentence where something is left out.
    """
    found = []
    for name, read in (("EXIF", _read_exif), ("XMP", _read_xmp)):
        try:
            data = read(image)
        # Pillow raises nearly anything on damaged blocks.
        except Exception:
            warn(f"the {name} metadata of {what} are damaged and left out.")
            data = b""
        if len(data) > LARGEST:
            warn(f"{what} has {len(data)} bytes of {name}, more than {LARGEST}; they are left out.")
            data = b""
        found.append(data)
    return Metadata(*found)


def _read_exif(image: Any) -> bytes:
    data = image.info.get("exif", b"")
    if not isinstance(data, bytes) or not data:
        data = _collect_exif(image)
    return clean_exif(data.removeprefix(_EXIF_PREFIX)) if data else b""


def _collect_exif(image: Any) -> bytes:
    """EXIF from the tags of a TIFF, or from wherever else Pillow finds some."""
    kept = _describe(image.getexif())
    return kept.tobytes() if len(kept) else b""


def _describe(source: Any) -> Any:
    """Those of Pillow's tags that describe the picture."""
    from PIL import Image

    kept = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in source:
            kept[tag] = source[tag]
    for tag in _BLOCKS:
        if block := source.get_ifd(tag):
            kept.get_ifd(tag).update(block)
            kept[tag] = kept.get_ifd(tag)
    return kept


def clean_exif(data: bytes) -> bytes:
    """EXIF whose orientation is the upright one, and whose thumbnail is gone.

    All else stays where it is, as makers' notes point to places in it.

    Raises:
      ValueError: if it is damaged.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise ValueError("it is no TIFF structure")
    out = bytearray(data)
    try:
        (first,) = struct.unpack_from(f"{order}I", out, 4)
        entries, end = _entries(out, order, first)
        if _ORIENTATION in entries:
            struct.pack_into(f"{order}H", out, entries[_ORIENTATION] + 8, _UPRIGHT)
        (second,) = struct.unpack_from(f"{order}I", out, end)
        struct.pack_into(f"{order}I", out, end, 0)
        if second:
            _remove_thumbnail(out, order, second)
    except struct.error as error:
        raise ValueError("it is cut short") from error
    return bytes(out)


def _entries(data: bytearray, order: str, at: int) -> tuple[dict[int, int], int]:
    """Where the entries of a block are, by their tags, and where the block ends."""
    (count,) = struct.unpack_from(f"{order}H", data, at)
    places = range(at + 2, at + 2 + 12 * count, 12)
    return {struct.unpack_from(f"{order}H", data, p)[0]: p for p in places}, at + 2 + 12 * count


def _remove_thumbnail(out: bytearray, order: str, at: int) -> None:
    try:
        entries, _ = _entries(out, order, at)
        (start,) = struct.unpack_from(f"{order}I", out, entries[_THUMBNAIL] + 8)
        (size,) = struct.unpack_from(f"{order}I", out, entries[_THUMBNAIL_BYTES] + 8)
    except (KeyError, struct.error):  # uncompressed, or none
        return
    stop = min(len(out), start + size)
    if start < 8:
        return
    if stop == len(out):
        del out[start:]
    else:
        out[start:stop] = bytes(max(0, stop - start))


def _read_xmp(image: Any) -> bytes:
    data = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    if isinstance(data, tuple):
        data = b"".join(data)
    if isinstance(data, str):
        data = data.encode()
    return _XMP_ORIENTATION.sub(rb"\g<1>1", data.rstrip(b"\0"))


def pack(data: bytes) -> bytes:
    """What a section holds: the bytes as they are, or compressed where that is smaller."""
    packed = zlib.compress(data, 9)
    if len(packed) < len(data):
        return bytes([_DEFLATED]) + packed
    return bytes([_RAW]) + data


def unpack(section: bytes) -> bytes:
    """The bytes that a section holds.

    Raises:
      CorruptFile: if there are none, or more than `LARGEST`.
    """
    kind, data = section[:1], section[1:]
    if kind == bytes([_DEFLATED]):
        reader = zlib.decompressobj()
        try:
            data = reader.decompress(data, LARGEST + 1)
        except zlib.error as error:
            raise CorruptFile("the metadata are damaged.") from error
        if not reader.eof and len(data) <= LARGEST:
            raise CorruptFile("the metadata are cut short.")
    elif kind != bytes([_RAW]):
        raise CorruptFile("the metadata are packed in a way that is not known here.")
    if len(data) > LARGEST:
        raise CorruptFile(f"the metadata are larger than {LARGEST} bytes.")
    return data


def save_options(metadata: Metadata, kind: str) -> dict[str, Any]:
    """Options of Pillow's `save` that write metadata into a file of a kind such as JPEG."""
    from PIL import Image, PngImagePlugin

    options: dict[str, Any] = {}
    if kind == "TIFF":
        source = Image.Exif()
        if metadata.exif:
            source.load(_EXIF_PREFIX + metadata.exif)
        options["exif"] = _describe(source)
        if metadata.xmp:
            options["exif"][_XMP] = metadata.xmp
        return options
    if metadata.exif:
        options["exif"] = _EXIF_PREFIX + metadata.exif
    if metadata.xmp and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
    elif metadata.xmp:
        options["xmp"] = metadata.xmp
    return options
