"""Other codecs on the same pictures, through Pillow, with the settings that serve them best."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Reference:
    """A codec and the settings of its curve.

    Attributes:
      name: for tables.
      format: Pillow's name of it.
      options: passed to Pillow whatever the quality.
      knob: the option that moves along the curve.
      values: of the knob, from coarse to fine.
    """

    name: str
    format: str
    options: dict[str, Any]
    knob: str
    values: tuple[float, ...]

    def encode(self, x: np.ndarray, value: float) -> bytes:
        """A file of a picture, uint8 (H, W, 3)."""
        from PIL import Image

        setting = [value] if self.knob == "quality_layers" else value
        out = io.BytesIO()
        Image.fromarray(x).save(out, self.format, **self.options, **{self.knob: setting})
        return out.getvalue()

    @staticmethod
    def decode(data: bytes) -> np.ndarray:
        """The picture of a file, uint8 (H, W, 3)."""
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


JPEG = Reference(
    "JPEG 4:2:0",
    "JPEG",
    {"optimize": True, "subsampling": "4:2:0"},
    "quality",
    (5, 8, 11, 15, 20, 25, 30, 40, 50, 60, 70, 80, 85, 90, 95),
)


def nearest_rate(reference: Reference, x: np.ndarray, bpp: float) -> tuple[float, bytes]:
    """The setting whose file comes nearest to a rate, and that file."""
    files = {value: reference.encode(x, value) for value in reference.values}
    pixels = x.shape[0] * x.shape[1]
    best = min(files, key=lambda value: abs(8 * len(files[value]) / pixels - bpp))
    return best, files[best]
