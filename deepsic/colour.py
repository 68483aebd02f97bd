"""Colours of every kind to sRGB's 8 bits: profiles, CMYK, Lab, and deep grey."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

# Modes of Pillow, and the space that a profile for them is of.
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
_DEEP = 65535
# A profile that moves no colour by more levels than this is sRGB.
_SAME = 2
# TIFF's tags.
_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 258, 281


def is_grey(x: np.ndarray) -> bool:
    """Whether all three channels of a picture, uint8 (H, W, 3), are equal."""
    for part in (x[::16, ::16], x):  # most pictures with colours have some in the first
        if not (
            np.array_equal(part[..., 0], part[..., 1])
            and np.array_equal(part[..., 0], part[..., 2])
        ):
            return False
    return True


def to_srgb(image: Any, what: str, warn: Callable[[str], None], top: int | None = None) -> Any:
    """A Pillow image of any mode in the colours of sRGB, without its transparency.

    Args:
      image: whose `info` holds its profile, if it has one.
      what: is spoken of in warnings: the file.
      warn: gets a sentence where colours may be wrong.
      top: the sample that is white in deep grey, where the file says so.

    Returns:
      An image of mode L or RGB.
    """
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        shallow = _from_deep(image, what, warn, top)
    elif mode in ("1", "L", "LA", "La"):
        shallow = image.convert("L")
    elif mode in _SPACES:
        shallow = image
    else:
        shallow = image.convert("RGB")
    shallow = _apply_profile(shallow, image.info.get("icc_profile"), what, warn)
    return shallow if shallow.mode in ("L", "RGB") else shallow.convert("RGB")


def white_sample(image: Any) -> int | None:
    """The sample that is white in a TIFF of more than 8 bits, if its tags say so."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return None
    bits, most = tags.get(_BITS_PER_SAMPLE, (8,)), tags.get(_MAX_SAMPLE_VALUE, 0)
    depth = bits[0] if isinstance(bits, tuple) else bits
    most = max(most) if isinstance(most, tuple) else most
    if isinstance(most, int) and 255 < most < 1 << depth:
        return most
    return (1 << depth) - 1 if 8 < depth < 16 else None


def is_deep(image: Any) -> bool:
    """Whether a TIFF has samples of 16 bits."""
    tags = getattr(image, "tag_v2", None)
    bits = () if tags is None else tags.get(_BITS_PER_SAMPLE, ())
    return 16 in (bits if isinstance(bits, tuple) else (bits,))


def _from_deep(image: Any, what: str, warn: Callable[[str], None], top: int | None) -> Any:
    """Deep greyscale as mode L: integers by their range, floats by their own."""
    from PIL import Image

    values = np.asarray(image)
    highest = float(np.nanmax(values, initial=0))
    if image.mode == "F":
        white = highest if highest > 255 or 0 < highest <= 1 else 255.0
        scaled = values.astype(np.float32) * np.float32(255.0 / white)
        levels = np.clip(np.nan_to_num(np.rint(scaled)), 0, 255).astype(np.uint8)
        return Image.fromarray(levels)
    white = float(top) if top and highest <= top else _DEEP
    if image.mode == "I" and highest <= 255:
        white = 255.0
    elif highest > _DEEP:
        white = highest
    elif white == _DEEP and highest <= _DEEP // 4:
        warn_of_dark(what, highest, warn)
    if image.mode == "I":
        return Image.fromarray(np.clip(np.rint(values * (255.0 / white)), 0, 255).astype(np.uint8))
    table = np.clip(np.rint(np.arange(_DEEP + 1) * (255.0 / white)), 0, 255).astype(np.uint8)
    return Image.fromarray(table[values])


def warn_of_dark(what: str, highest: float, warn: Callable[[str], None]) -> None:
    """Says that a picture of 16 bits may hold fewer."""
    warn(
        f"no sample of {what} is above {highest:.0f} of {_DEEP}; if it holds fewer than 16 bits,"
        " it comes out dark, as it does not say so."
    )


def _apply_profile(
    image: Any, profile: bytes | None, what: str, warn: Callable[[str], None]
) -> Any:
    """An image of a mode in `_SPACES` in sRGB, if it has a profile or is Lab; else as it is."""
    if not profile and image.mode != "LAB":
        return image
    from PIL import ImageCms

    try:
        source = ImageCms.createProfile("LAB")
        if profile:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
        space = source.xcolor_space.strip()
        if image.mode == "L" and space == "RGB":
            return _transform(source, image.convert("RGB")).getchannel(1)
        if _SPACES[image.mode] != space:
            raise ValueError(f"it is for {space}")
        return _transform(source, image)
    # LittleCMS and Pillow raise several kinds of errors on damaged profiles.
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        warn(f"{what} has a colour profile that cannot be used ({reason[0]}); sRGB is assumed.")
        return image


def _transform(source: Any, image: Any) -> Any:
    from PIL import Image, ImageCms

    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(source),
        ImageCms.createProfile("sRGB"),
        image.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if image.mode == "RGB":
        steps = np.arange(0, 256, 17, np.uint8)
        colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        probe = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform))
        if np.abs(probe.astype(int) - colours).max() <= _SAME:
            return image
    moved: Any = ImageCms.applyTransform(image, transform)
    return moved.getchannel(1) if image.mode == "L" else moved
