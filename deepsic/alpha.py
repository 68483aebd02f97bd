"""Transparency: stored without loss by a format that is good at it, and the pixels below it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from deepsic.errors import BadFile, CorruptFile

# It may take as many bytes as a quarter of the pixels, 2 bits for each, and these besides.
_PIXELS_PER_BYTE, _BYTES_BESIDES = 4, 1024
_LARGEST_WEBP = 16383
_READERS = ("WEBP", "PNG", "TIFF")
# Side of the squares of which `fill` knows one colour.
_BLOCK = 8


def encode(alpha: np.ndarray) -> bytes:
    """Transparency, uint8 (H, W), as a lossless WebP, or as a TIFF of CCITT group 4 or a PNG.

    Group 4 is for hard masks; PNG where a side is longer than WebP knows.

    Raises:
      BadFile: if it takes more than 2 bits a pixel.
    """
    from PIL import Image

    image = Image.fromarray(alpha)
    tries = []
    if max(alpha.shape) <= _LARGEST_WEBP:
        tries.append(_save(image, "WEBP", lossless=True))
    else:
        tries.append(_save(image, "PNG", optimize=True))
    if not np.any((alpha > 0) & (alpha < 255)):
        tries.append(_save(image.convert("1"), "TIFF", compression="group4"))
    data = min(tries, key=len)
    if len(data) > alpha.size // _PIXELS_PER_BYTE + _BYTES_BESIDES:
        raise BadFile(
            f"its transparency alone takes {len(data)} bytes;"
            " --background=white lays the picture on a colour."
        )
    return data


def _save(image: Any, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decode(data: bytes, height: int, width: int) -> np.ndarray:
    """Transparency, uint8 (height, width), from what `encode` made.

    Raises:
      CorruptFile: if it is damaged, or of another size.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_READERS) as image:
            if image.size != (width, height):
                raise ValueError("its size is another")
            image.load()
            # WebP knows grey as three equal channels only.
            return np.asarray(image.convert("L"))
    # Decoders raise nearly anything on damaged files.
    except Exception as error:
        raise CorruptFile(f"the transparency of the file is damaged: {error}.") from error


def fill(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A picture whose hidden pixels go on from the visible ones, so that they are cheap.

    Args:
      rgb: uint8 (H, W, 3).
      alpha: uint8 (H, W).
    """
    from PIL import Image

    hidden = alpha == 0
    if not hidden.any():
        return rgb
    height, width = alpha.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    pad = [(0, rows * _BLOCK - height), (0, columns * _BLOCK - width)]
    visible = np.pad(~hidden, pad)
    seen = np.pad(rgb, [*pad, (0, 0)]) * visible[..., None]
    shape = (rows, _BLOCK, columns, _BLOCK)
    counts = visible.reshape(shape).sum((1, 3), dtype=np.float32)
    sums = seen.reshape(*shape, 3).sum((1, 3), dtype=np.float32)
    means = np.clip(np.rint(_spread(sums, counts)), 0, 255).astype(np.uint8)
    wide = Image.fromarray(means).resize(
        (columns * _BLOCK, rows * _BLOCK), Image.Resampling.BILINEAR
    )
    return np.where(hidden[..., None], np.asarray(wide)[:height, :width], rgb)


def _spread(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means, float32 (h, w, 3), of squares; empty ones get those of the larger squares around."""
    means = sums / np.maximum(counts, 1)[..., None]
    if counts.all() or counts.size == 1:
        return means
    height, width = counts.shape
    pad = [(0, height % 2), (0, width % 2)]
    shape = ((height + 1) // 2, 2, (width + 1) // 2, 2)
    coarse = _spread(
        np.pad(sums, [*pad, (0, 0)]).reshape(*shape, 3).sum((1, 3)),
        np.pad(counts, pad).reshape(shape).sum((1, 3)),
    )
    around = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return np.where(counts[..., None] > 0, means, around)


def lay_on(rgb: np.ndarray, alpha: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    """A picture on a colour, uint8 (H, W, 3).

    Args:
      rgb, alpha: uint8 (H, W, 3) and (H, W).
      colour: red, green, blue, 0 to 255.
    """
    from PIL import Image

    ground = Image.new("RGB", (rgb.shape[1], rgb.shape[0]), colour)
    return np.asarray(Image.composite(Image.fromarray(rgb), ground, Image.fromarray(alpha)))
