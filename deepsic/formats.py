"""Which formats pictures are read from and written in, all by Pillow."""

from __future__ import annotations

import importlib.util
from typing import Any

# Pillow's names. It reads others: EPS starts Ghostscript, FITS unpacks without measure, and the
# rest hold no photographs.
_COMMON = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "JPEG2000", "PPM", "TGA")
_OTHERS = ("BLP", "CUR", "DCX", "DDS", "DIB", "FLI", "ICNS", "ICO", "IM", "MSP", "PCD", "PCX")
_MORE = ("PSD", "QOI", "SGI", "SUN", "XBM", "XPM")
READERS = _COMMON + _OTHERS + _MORE
HEIF = "HEIF"

_NAMES = """
  apng avif avifs blp bmp bw cur dcx dds dib flc fli gif icb icns ico im j2c j2k jfif jp2 jpc jpe
  jpeg jpf jpg jpx msp pbm pcd pcx pfm pgm png pnm ppm psd qoi ras rgb rgba sgi tga tif tiff vda
  vst webp xbm xpm
"""
_HEIF_EXTENSIONS = frozenset((".heic", ".heif", ".hif"))
INSTALL_HEIF = "pip install pillow-heif"
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
HEAD_BYTES = 12

# What decoded pictures are written as, with Pillow's options: nothing is lost where the
# format allows it, and little where not.
_FINE = {"quality": 95, "subsampling": "4:4:4"}
WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".ppm": ("PPM", {}),
    ".jpg": ("JPEG", _FINE),
    ".jpeg": ("JPEG", _FINE),
    ".jp2": ("JPEG2000", {}),
    ".webp": ("WEBP", {"lossless": True}),
    ".avif": ("AVIF", _FINE),
}
# Of these: those that hold transparency, and those that hold metadata.
WITH_ALPHA = frozenset(("AVIF", "JPEG2000", "PNG", "TIFF", "WEBP"))
WITH_METADATA = frozenset(("AVIF", "JPEG", "PNG", "TIFF", "WEBP"))


def has_heif() -> bool:
    """Whether pillow-heif is installed, without importing it."""
    return importlib.util.find_spec("pillow_heif") is not None


def extensions() -> frozenset[str]:
    """Of files that are taken from a folder, with their dots, in small letters."""
    return EXTENSIONS | _HEIF_EXTENSIONS if has_heif() else EXTENSIONS


EXTENSIONS = frozenset(f".{name}" for name in _NAMES.split())


def advice(extension: str) -> str:
    """What makes files with that extension readable; an empty string if nothing does."""
    return INSTALL_HEIF if extension in _HEIF_EXTENSIONS and not has_heif() else ""


def is_heif(head: bytes) -> bool:
    """Whether a file is a HEIC picture, by its first `HEAD_BYTES`."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def register_heif() -> bool:
    """Makes Pillow read HEIC pictures; returns whether pillow-heif is installed for that."""
    if not has_heif():
        return False
    import pillow_heif

    pillow_heif.register_heif_opener()
    return True
