"""Photographs that are dropped onto the page: compressed, compared, and kept for a while."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import secrets
from typing import Any

import deepsic
from deepsic import container, store
from deepsic.browse import pictures
from deepsic.codec import Codec
from deepsic.distortion import psnr
from deepsic.dsicfile import DsicFile
from deepsic.images import read_picture
from deepsic.labels import Label
from deepsic.registry import Registry

# Of an upload.
MOST_BYTES = 64 << 20
MOST_PIXELS = 1 << 24
TOKEN_BYTES = 16


def models() -> list[str]:
    """The models to choose from, from the lowest rate to the highest."""
    found = [folder for folder in store.shipped() if folder.arch == "pre"]
    return sorted((folder.name for folder in found), key=_rate)


def _rate(name: str) -> tuple[float, str]:
    with contextlib.suppress(ValueError):
        return float(name.split("-")[-1].removesuffix("bpp")), name
    return float("inf"), name


@functools.lru_cache(maxsize=8)
def _codec(model: str) -> Codec:
    return deepsic.load(model)


class Upload:
    """What has been made of a picture.

    Attributes:
      token: by which the page asks for it.
      told: what the page says of it.
      data: the `.dsic` file.
      png: the picture that it decodes to.
    """

    def __init__(self, data: bytes, model: str, registry: Registry) -> None:
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        if data[: len(container.MAGIC)] == container.MAGIC:
            x, self.data = None, data
        else:
            picture = read_picture(io.BytesIO(data), MOST_PIXELS, lambda sentence: None)
            x, self.data = picture.rgb, _codec(model).compress(picture, topk=3)
        file = DsicFile(self.data, MOST_PIXELS, registry)
        label, x_hat = file.label, file.rgb
        self.png = pictures.whole(file.image)
        width, height = file.size
        quality = math.inf if x is None else psnr(x, x_hat)
        self.told = {
            "token": self.token,
            "width": width,
            "height": height,
            "bytes": len(self.data),
            "bpp": 8 * len(self.data) / (width * height),
            "original_bytes": None if x is None else len(data),
            "psnr": quality if math.isfinite(quality) else None,
            "model": None if x is None else model,
            **describe(label),
        }


def describe(label: Label) -> dict[str, Any]:
    """A label for the page."""
    return {
        "name": label.name,
        "probability": label.probability,
        "levels": [{"name": name} for name in label.levels],
        "alternatives": [
            {"name": a.name, "probability": a.probability} for a in label.alternatives
        ],
    }
