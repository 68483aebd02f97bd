"""Pictures in and out of files, as 8-bit RGB."""

from __future__ import annotations

import os
import pathlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from deepsic.errors import BadFile as BadImage
from deepsic.files import check_pixels, write_atomically

# Flat PNGs reach 340 pixels a byte, photographs hardly 100 in any format.
PIXELS_PER_BYTE = 128

_COMMON = ("bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "png", "tga", "tif", "tiff")
_OTHERS = ("avif", "jp2", "pbm", "pgm", "pnm", "ppm", "webp")
EXTENSIONS = frozenset(f".{name}" for name in _COMMON + _OTHERS)
# Pillow's readers of these. It has others, of which one starts Ghostscript.
_READERS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
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


def read_image(
    path: str | os.PathLike, max_pixels: int | None = None, warn: Callable[[str], None] = print
) -> np.ndarray:
    """Reads a picture as people see it: rotated by EXIF, on white, in sRGB's 8 bits.

    Args:
      path: of a file in one of the formats of `EXTENSIONS`, whatever it is called.
      max_pixels: larger pictures are refused before they are decoded; None for
        `files.MAX_PIXELS`, and for less where the file is small.
      warn: gets a sentence where something is left out.

    Returns:
      uint8 (H, W, 3).

    Raises:
      BadImage: if it is no picture, damaged, or too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    # The limit below is ours: checked on every format before its pixels are touched.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_READERS) as image:
                _check_pixels(image, path, max_pixels)
                # Counting the frames would go through all of them.
                if getattr(image, "is_animated", False):
                    warn(f"{path} is animated; only its first frame is taken.")
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image), path, warn)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{path} is no picture of a format that can be read.") from error
    except FileNotFoundError as error:
        raise BadImage(f"{path} does not exist.") from error
    except MemoryError as error:
        raise BadImage(f"{path} does not fit into memory.") from error
    # Decoders raise nearly anything on damaged files.
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadImage(f"{path} cannot be read: {reason[0]}.") from error


def as_rgb(x: Any) -> np.ndarray:
    """A picture in memory as the codec takes it.

    Args:
      x: uint8 (H, W, 3); or a PIL image of any mode, seen as by `read_image`.

    Returns:
      uint8 (H, W, 3).

    Raises:
      TypeError: if it is neither, or an array of other numbers.
      ValueError: if it has another shape, or no pixels.
    """
    if not isinstance(x, np.ndarray):
        return _from_pillow(x)
    if x.dtype != np.uint8:
        raise TypeError(
            f"pass the picture as uint8 in 0–255, not {x.dtype}; floats in 0–1 are multiplied by"
            " 255, rounded and cast."
        )
    if x.ndim != 3 or x.shape[2] != 3:
        raise ValueError(f"pass the picture as (height, width, 3), not {x.shape}.")
    if not x.size:
        raise ValueError(f"a picture has pixels; this one is {x.shape}.")
    return x


def _from_pillow(image: Any) -> np.ndarray:
    from PIL import Image, ImageOps

    if not isinstance(image, Image.Image):
        raise TypeError(
            f"pass the picture as uint8 (height, width, 3) or as a PIL image, not"
            f" {type(image).__name__}."
        )
    if not image.width * image.height:
        raise ValueError("a picture has pixels; this one has none.")
    return _to_rgb(ImageOps.exif_transpose(image), "the picture", _warn)


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=4)


def _check_pixels(image, path: str | os.PathLike, max_pixels: int | None) -> None:
    size = os.path.getsize(path)
    check_pixels(str(path), image.width, image.height, size, PIXELS_PER_BYTE, max_pixels)


def _to_rgb(image, path, warn: Callable[[str], None]) -> np.ndarray:
    from PIL import Image

    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _scale_grey(np.asarray(image), image.mode)
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if rgba.getextrema()[3][0] < 255:
            warn(f"{path} is transparent in places; it is laid on white.")
            white = Image.new("RGBA", rgba.size, "white")
            rgba = Image.alpha_composite(white, rgba)
        image = rgba
    return np.asarray(image.convert("RGB"))


def _scale_grey(grey: np.ndarray, mode: str) -> np.ndarray:
    """Deep greyscale to 8 bits: 16-bit integers by their range, floats by their own."""
    values = grey.astype(np.float64)
    if mode == "F":
        top = values.max(initial=0.0)
        values *= 255.0 / top if top > 255 or 0 < top <= 1 else 1.0
    elif mode.startswith("I;16") or values.max(initial=0) > 255:
        values /= 257.0
    eight = np.clip(np.nan_to_num(np.rint(values)), 0, 255).astype(np.uint8)
    return np.repeat(eight[..., None], 3, axis=-1)


def check_writable(path: str | os.PathLike) -> None:
    """Raises BadImage if a file's extension names no format that pictures are written in."""
    if pathlib.Path(path).suffix.lower() not in WRITERS:
        known = ", ".join(WRITERS)
        raise BadImage(f"{path} has no extension of a picture; there are {known}.")


def write_image(path: str | os.PathLike, x: np.ndarray) -> None:
    """Writes uint8 (H, W, 3) in the format of the path's extension, whole or not at all.

    Raises:
      BadImage: if the format is none of `WRITERS` or the place cannot be written.
    """
    from PIL import Image

    check_writable(path)
    kind, options = WRITERS[pathlib.Path(path).suffix.lower()]

    def write(handle):
        Image.fromarray(x).save(handle, format=kind, **options)

    try:
        write_atomically(path, write)
    # What Pillow raises on pictures that a format cannot hold differs between formats.
    except (KeyError, ValueError, RuntimeError) as error:
        raise BadImage(f"{path} cannot be written in that format: {error}.") from error
