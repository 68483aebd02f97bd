"""Pictures in and out of files: whatever Pillow opens, as 8-bit RGB."""

from __future__ import annotations

import io
import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable

import numpy as np

# Refuse pictures beyond this unless asked: a small file can promise a huge one.
MAX_PIXELS = 200_000_000

_COMMON = ("bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "png", "tga", "tif", "tiff")
_OTHERS = ("avif", "jp2", "pbm", "pgm", "pnm", "ppm", "webp")
EXTENSIONS = frozenset(f".{name}" for name in _COMMON + _OTHERS)


class BadImage(Exception):
    """A file is no picture that can be read; the message is one sentence."""


def read_image(
    path: str | os.PathLike, max_pixels: int = MAX_PIXELS, warn: Callable[[str], None] = print
) -> np.ndarray:
    """Reads a picture as people see it: rotated by EXIF, on white, in sRGB's 8 bits.

    Args:
      path: of any file that Pillow opens.
      max_pixels: larger pictures are refused before they are decoded.
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
            with Image.open(path) as image:
                if image.width * image.height > max_pixels:
                    raise BadImage(
                        f"{path} has {image.width}×{image.height} pixels, more than"
                        f" {max_pixels}; raise --max_pixels to allow it."
                    )
                if getattr(image, "n_frames", 1) > 1:
                    warn(f"{path} is animated; only its first frame is taken.")
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image), path, warn)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{path} is no picture that Pillow can read.") from error
    except FileNotFoundError as error:
        raise BadImage(f"{path} does not exist.") from error
    except MemoryError as error:
        raise BadImage(f"{path} does not fit into memory.") from error
    # Decoders raise nearly anything on damaged files.
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadImage(f"{path} cannot be read: {reason[0]}.") from error


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


def write_image(path: str | os.PathLike, x: np.ndarray) -> None:
    """Writes uint8 (H, W, 3) in the format of the path's extension, whole or not at all.

    Raises:
      BadImage: if the format is unknown or the place cannot be written.
    """
    from PIL import Image

    path = pathlib.Path(path)
    formats = Image.registered_extensions()
    if path.suffix.lower() not in formats:
        raise BadImage(f"{path} has no extension that names a picture format; use .png.")

    def save(handle) -> None:
        Image.fromarray(x).save(handle, format=formats[path.suffix.lower()])

    try:
        write_atomically(path, save)
    except (KeyError, ValueError) as error:
        raise BadImage(f"{path} cannot be written in that format: {error}.") from error


def write_atomically(path: str | os.PathLike, write: Callable) -> None:
    """Calls `write` with a temporary file in the same folder, then renames it to `path`.

    Raises:
      BadImage: if the place cannot be written, or the disk is full.
    """
    path = pathlib.Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False
        ) as handle:
            temporary = handle.name
            write(handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadImage(f"{path} cannot be written: {reason}.") from error
    finally:
        if temporary is not None:
            pathlib.Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text_atomically(path: str | os.PathLike, write: Callable) -> None:
    """Like `write_atomically`, with a UTF-8 text file."""

    def encode(handle) -> None:
        text = io.StringIO(newline="")
        write(text)
        handle.write(text.getvalue().encode())

    write_atomically(path, encode)
