"""A picture as the codec takes and gives it: sRGB, transparency, metadata."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deepsic import alpha as transparency
from deepsic import colour, metadata
from deepsic.metadata import Metadata

_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")


class Picture(NamedTuple):
    """A picture in memory.

    Attributes:
      rgb: uint8 (H, W, 3), sRGB.
      alpha: uint8 (H, W), from 0, transparent, to 255; None if all of it is opaque.
      metadata: EXIF and XMP.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    metadata: Metadata = Metadata()

    @property
    def pixels(self) -> np.ndarray:
        """uint8 (H, W, 3), or (H, W, 4) with transparency."""
        return self.rgb if self.alpha is None else np.dstack([self.rgb, self.alpha])

    def without_alpha(self, background: str | tuple[int, ...]) -> Picture:
        """The same laid on a colour: its name as of CSS, or red, green, blue.

        Raises:
          ValueError: if there is no such colour.
        """
        if self.alpha is None:
            return self
        return self._replace(
            rgb=transparency.lay_on(self.rgb, self.alpha, parse_colour(background)), alpha=None
        )


def parse_colour(name: str | tuple[int, ...]) -> tuple[int, ...]:
    """Red, green, blue of a colour's name, such as white or #336699; raises ValueError."""
    if not isinstance(name, str):
        return name
    from PIL import ImageColor

    return ImageColor.getrgb(name)[:3]


def as_picture(x: Any, keep_metadata: bool = True) -> Picture:
    """A picture in memory as the codec takes it.

    Args:
      x: uint8 (H, W, 3) or (H, W, 4), RGB and transparency; a PIL image of any mode, seen as by
        `images.read_picture`; or a `Picture`.
      keep_metadata: of a PIL image.

    Raises:
      TypeError: if it is nothing of that, or an array of other numbers.
      ValueError: if it has another shape, or no pixels.
    """
    if isinstance(x, Picture):
        return x
    if not isinstance(x, np.ndarray):
        return _from_memory(x, keep_metadata)
    if x.dtype != np.uint8:
        raise TypeError(
            f"pass the picture as uint8 in 0–255, not {x.dtype}; floats in 0–1 are multiplied by"
            " 255, rounded and cast."
        )
    if x.ndim != 3 or x.shape[2] not in (3, 4):
        raise ValueError(f"pass the picture as (height, width, 3) or (…, 4), not {x.shape}.")
    if not x.size:
        raise ValueError(f"a picture has pixels; this one is {x.shape}.")
    return Picture(x) if x.shape[2] == 3 else _with_alpha(x[..., :3], x[..., 3])


def _from_memory(image: Any, keep_metadata: bool) -> Picture:
    from PIL import Image

    if not isinstance(image, Image.Image):
        raise TypeError(
            f"pass the picture as uint8 (height, width, 3) or as a PIL image, not"
            f" {type(image).__name__}."
        )
    if not image.width * image.height:
        raise ValueError("a picture has pixels; this one has none.")
    return from_pillow(image, "the picture", _warn, keep_metadata)


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=5)


def from_pillow(
    image: Any, what: str, warn: Callable[[str], None], keep_metadata: bool = True
) -> Picture:
    """A loaded Pillow image of any mode, upright, in sRGB.

    Args:
      image: as Pillow opened or made it.
      what: is spoken of in warnings: the file.
      warn: gets a sentence where something is lost, or may be wrong.
      keep_metadata: whether EXIF and XMP are taken along.
    """
    kept = metadata.extract(image, what, warn) if keep_metadata else Metadata()
    top, deep = colour.white_sample(image), colour.is_deep(image)
    image, alpha = _split_alpha(_upright(image))
    shown = colour.to_srgb(image, what, warn, top)
    rgb = np.asarray(shown if shown.mode == "RGB" else shown.convert("RGB"))
    if deep and image.mode == "RGB" and rgb.max(initial=0) < 64:
        colour.warn_of_dark(what, int(rgb.max()) * 257, warn)
    found = Picture(rgb) if alpha is None else _with_alpha(rgb, alpha)
    return found._replace(metadata=kept)


def _split_alpha(image: Any) -> tuple[Any, np.ndarray | None]:
    """An image without transparency, and that, uint8 (H, W); None if its mode has none."""
    info, grey = image.info, image.mode in ("1", "L", "LA", "La")
    keyed = "transparency" in info and image.mode in ("1", "L", "P", "RGB")
    if not keyed and image.mode not in _TRANSPARENT:
        return image, None
    if image.mode == "La":  # of which Pillow knows one conversion
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    opaque = rgba.convert("L" if grey else "RGB")
    opaque.info = info
    return opaque, np.asarray(rgba.getchannel("A"))


def _upright(image: Any) -> Any:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    # Pillow raises nearly anything on damaged blocks, of which `metadata.extract` has warned.
    except Exception:
        return image


def _with_alpha(rgb: np.ndarray, alpha: np.ndarray) -> Picture:
    if alpha.min() == 255:
        return Picture(np.ascontiguousarray(rgb))
    return Picture(transparency.fill(rgb, alpha), np.ascontiguousarray(alpha))
