"""Pictures in and out of files."""

from __future__ import annotations

import contextlib
import os
import pathlib
import warnings
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import numpy as np

from deepsic import colour, formats, metadata
from deepsic.errors import BadFile as BadImage
from deepsic.files import MAX_PIXELS, check_pixels, write_atomically
from deepsic.formats import WRITERS
from deepsic.metadata import Metadata
from deepsic.picture import Picture, from_pillow

if TYPE_CHECKING:
    from PIL import Image

# Flat PNGs reach 340 pixels a byte, photographs hardly 100 in any format.
PIXELS_PER_BYTE = 128
# Of a picture that is opened in memory, whose bytes are at hand.
_STREAM = "the picture"
# JPEG's segments end there.
_LARGEST_SEGMENT = 65_500


def read_image(
    path: str | os.PathLike, max_pixels: int | None = None, warn: Callable[[str], None] = print
) -> np.ndarray:
    """Reads a picture as `read_picture` does, laid on white, without its metadata.

    Returns:
      uint8 (H, W, 3).

    Raises:
      BadImage: if it is no picture, damaged, or too large.
    """
    picture = read_picture(path, max_pixels, warn, keep_metadata=False)
    if picture.alpha is not None:
        warn(f"{path} is transparent in places; it is laid on white.")
    return picture.without_alpha("white").rgb


def read_picture(
    source: str | os.PathLike | IO[bytes],
    max_pixels: int | None = None,
    warn: Callable[[str], None] = print,
    keep_metadata: bool = True,
) -> Picture:
    """Reads a picture as people see it: upright, in sRGB's 8 bits.

    Args:
      source: of a file in one of the formats of `formats.READERS`, or HEIC where pillow-heif is
        installed, whatever it is called; or an open binary file that can seek.
      max_pixels: larger pictures are refused before they are decoded; None for
        `files.MAX_PIXELS`, and for less where the file is small.
      warn: gets a sentence where something is left out.
      keep_metadata: whether EXIF and XMP are read too.

    Raises:
      BadImage: if it is no picture, damaged, or too large.
    """
    what = str(source) if isinstance(source, str | os.PathLike) else _STREAM
    from PIL import UnidentifiedImageError

    try:
        with _opened(source) as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(handle, what, max_pixels, warn, keep_metadata)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{what} is no picture of a format that can be read.") from error
    except FileNotFoundError as error:
        raise BadImage(f"{what} does not exist.") from error
    except MemoryError as error:
        raise BadImage(f"{what} does not fit into memory.") from error
    # Decoders raise nearly anything on damaged files.
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadImage(f"{what} cannot be read: {reason[0].rstrip('.')}.") from error


def _opened(source: str | os.PathLike | IO[bytes]) -> contextlib.AbstractContextManager[IO[bytes]]:
    if isinstance(source, str | os.PathLike):
        return open(source, "rb")
    return contextlib.nullcontext(source)


def _read(
    handle: IO[bytes],
    what: str,
    max_pixels: int | None,
    warn: Callable[[str], None],
    keep_metadata: bool,
) -> Picture:
    from PIL import Image

    size = handle.seek(0, os.SEEK_END)
    handle.seek(0)
    readers: tuple[str, ...] = formats.READERS
    if formats.is_heif(handle.read(formats.HEAD_BYTES)):
        if not formats.register_heif():
            raise BadImage(f"{what} is a HEIC picture; `{formats.INSTALL_HEIF}` lets it be read.")
        readers = (*readers, formats.HEIF)
    handle.seek(0)
    # The limit is ours: checked on every format before its pixels are touched.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(handle, formats=readers) as image:
        check_pixels(what, image.width, image.height, size, PIXELS_PER_BYTE, max_pixels)
        # Counting the frames would go through all of them. An MPO's others are no frames.
        if getattr(image, "is_animated", False) and image.format != "MPO":
            warn(f"{what} is animated; only its first frame is taken.")
        # Icons hold further files, of sizes of their own.
        Image.MAX_IMAGE_PIXELS = max_pixels or MAX_PIXELS
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image.load()
        return from_pillow(image, what, warn, keep_metadata)


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
    write_picture(path, Picture(x))


def write_picture(
    path: str | os.PathLike,
    picture: Picture,
    background: str | None = None,
    warn: Callable[[str], None] = print,
) -> None:
    """Writes a picture in the format of the path's extension, whole or not at all.

    Args:
      path: of the file.
      picture: a grey one is written as greyscale.
      background: a colour to lay it on; None to keep its transparency where the format can.
      warn: gets a sentence where the format cannot hold something.

    Raises:
      BadImage: if the format is none of `WRITERS` or the place cannot be written.
    """
    check_writable(path)
    extension = pathlib.Path(path).suffix.lower()

    def write(handle: IO[bytes]) -> None:
        encode_picture(handle, extension, picture, path, background, warn)

    write_atomically(path, write)


def encode_picture(
    handle: IO[bytes],
    extension: str,
    picture: Picture,
    what: str | os.PathLike,
    background: str | None = None,
    warn: Callable[[str], None] = print,
) -> None:
    """Like `write_picture`, into an open file.

    Args:
      handle: a binary file.
      extension: of the format, one of `WRITERS`.
      picture, background, warn: see `write_picture`.
      what: is spoken of in warnings and errors: the file.

    Raises:
      BadImage: if the format cannot hold the picture.
    """
    kind, options = WRITERS[extension]
    picture = _fit(picture, kind, what, background, warn)
    options = options | metadata.save_options(picture.metadata, kind)
    try:
        _as_pillow(picture).save(handle, format=kind, **options)
    # What Pillow raises on pictures that a format cannot hold differs between formats.
    except (KeyError, ValueError, RuntimeError) as error:
        raise BadImage(f"{what} cannot be written in that format: {error}.") from error


def _fit(
    picture: Picture,
    kind: str,
    path: str | os.PathLike,
    background: str | None,
    warn: Callable[[str], None],
) -> Picture:
    """What of a picture a format can hold."""
    if picture.alpha is not None and background is None and kind not in formats.WITH_ALPHA:
        background = "white"
        warn(f"{kind} holds no transparency; {path} is laid on white.")
    if background is not None:
        picture = picture.without_alpha(background)
    kept = picture.metadata
    if kind not in formats.WITH_METADATA:
        kept = Metadata()
    elif kind == "JPEG":
        kept = Metadata(*(data if len(data) < _LARGEST_SEGMENT else b"" for data in kept))
    if kept != picture.metadata:
        warn(f"{kind} does not hold all metadata; {path} is without.")
    return picture._replace(metadata=kept)


def _as_pillow(picture: Picture) -> Image.Image:
    from PIL import Image

    grey = colour.is_grey(picture.rgb)
    image = Image.fromarray(np.ascontiguousarray(picture.rgb[..., 0]) if grey else picture.rgb)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    return image
