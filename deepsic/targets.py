"""Which shipped model a picture is compressed with, to come near to a rate."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from deepsic import store
from deepsic.codec import Codec, Compressed
from deepsic.errors import ModelError
from deepsic.labels import THRESHOLD
from deepsic.picture import as_picture

DEFAULT = "pre-0.5bpp"


def find_shipped(arch: str) -> list[store.Folder]:
    """The shipped models of one arch; raises ModelError if there are none."""
    found = [folder for folder in store.shipped() if folder.arch == arch]
    if not found:
        raise ModelError(f"no {arch} model is shipped under {store.CHECKPOINTS}.")
    return found


def compress_nearest(
    codecs: Sequence[Codec], x: Any, bpp: float, threshold: float = THRESHOLD, topk: int = 0
) -> tuple[Codec, Compressed]:
    """Compresses a picture with every codec and takes the file nearest to a rate.

    Args:
      codecs: to choose from.
      x, threshold, topk: see `Codec.compress`.
      bpp: bits per pixel of the whole file.

    Raises:
      ValueError: if bpp is no positive number.
    """
    if not (math.isfinite(bpp) and bpp >= 0):
        raise ValueError(f"bpp takes a number of bits per pixel, such as 0.5, not {bpp!r}.")
    x = as_picture(x)
    tries = [(codec, codec.compress(x, threshold, topk)) for codec in codecs]
    pixels = x.rgb.shape[0] * x.rgb.shape[1]
    return min(tries, key=lambda t: abs(8 * len(t[1]) / pixels - bpp))


@functools.lru_cache(maxsize=16)
def _load(model: str, arch: str | None) -> Codec:
    return Codec(store.find(model, arch))


def compress(
    x: Any,
    *,
    bpp: float | None = None,
    model: str | None = None,
    arch: str | None = None,
    threshold: float = THRESHOLD,
    topk: int = 0,
    keep_metadata: bool = True,
) -> Compressed:
    """A picture as a file: of one model, or of the shipped one that comes nearest to a rate.

    Args:
      bpp: bits per pixel to come near to; without it, `model`.
      model: a shipped model's name or a folder; the default one if neither is given.
      arch: of the shipped models to choose from, or of a folder that holds both.
      x, threshold, topk, keep_metadata: see `Codec.compress`.

    Raises:
      ValueError: if both bpp and model are given, or a number is out of range.
      TypeError, ModelError: see `Codec.compress` and `store.find`.
    """
    x = as_picture(x, keep_metadata)
    if bpp is None:
        return _load(str(model or DEFAULT), arch).compress(x, threshold, topk)
    if model is not None:
        raise ValueError("bpp chooses among shipped models: leave model out.")
    codecs = [_load(folder.name, None) for folder in find_shipped(arch or "pre")]
    return compress_nearest(codecs, x, bpp, threshold, topk)[1]
