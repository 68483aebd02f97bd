"""Other codecs on the same pictures, through Pillow, with the settings that serve them best."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import io
import itertools
from importlib import metadata
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Reference:
    """A codec and the settings of its curve.

    Attributes:
      key: for flags, such as `jpeg420`.
      name: for tables and legends.
      format: Pillow's name of it.
      options: passed to Pillow whatever the quality; of an option with a tuple of
        values, all are tried and the shortest file is taken.
      knob: what moves along the curve: Pillow's `quality`, or `bpp`.
      values: of the knob on the curve, from coarse to fine.
      limits: the knob's own range.
      library: Pillow's name of the library behind it.
      plugin: package that brings the format to Pillow, if it needs one.
    """

    key: str
    name: str
    format: str
    options: dict[str, Any]
    knob: str
    values: tuple[float, ...]
    limits: tuple[float, float]
    library: str = ""
    plugin: str = ""

    @property
    def available(self) -> bool:
        """Whether this Pillow can write it."""
        from PIL import Image, features

        if not (self._import_plugin() if self.plugin else features.check(self.library)):
            return False
        Image.init()
        return self.format in Image.SAVE

    @functools.cached_property
    def version(self) -> str:
        """Of the library that does the work."""
        from PIL import features

        if self.plugin:
            return f"{self.plugin} {metadata.version(self.plugin)}"
        return f"{self.library} {features.version(self.library)}"

    def _import_plugin(self) -> bool:
        """Makes the format known to Pillow in this process."""
        try:
            importlib.import_module(self.plugin.removesuffix("-plugin").replace("-", "_"))
        except ImportError:
            return False
        return True

    def setting(self, value: float) -> str:
        """One point of the curve in full, the knob first: `quality=45 method=6`."""
        return f"{self.knob}={value:.4g}{self._fixed(' ')}"

    @property
    def settings(self) -> str:
        """All that it takes to run it again."""
        values = f"{self.knob}={self.values[0]:g}…{self.values[-1]:g}"
        return f"Pillow {self.format}{self._fixed(', ')}, {values}"

    def _fixed(self, before: str) -> str:
        def shown(value: Any) -> str:
            return f"shortest of {'|'.join(map(str, value))}" if _tried(value) else str(value)

        return "".join(f"{before}{k}={shown(v)}" for k, v in self.options.items())

    def encode(self, x: np.ndarray, value: float) -> bytes:
        """A file of a picture, uint8 (H, W, 3), at a value of the knob."""
        from PIL import Image

        if self.plugin:
            self._import_plugin()
        # JPEG 2000 takes the ratio to 24 bits a pixel.
        moved: dict[str, Any] = {"quality": value}
        if self.knob == "bpp":
            moved = {"quality_mode": "rates", "quality_layers": [24 / value]}
        choices = [
            [(key, v) for v in (values if _tried(values) else [values])]
            for key, values in self.options.items()
        ]
        files = []
        for options in itertools.product(*choices):
            out = io.BytesIO()
            Image.fromarray(x).save(out, self.format, **dict(options), **moved)
            files.append(out.getvalue())
        return min(files, key=len)

    @staticmethod
    def decode(data: bytes) -> np.ndarray:
        """The picture of a file, uint8 (H, W, 3)."""
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def nearest_rate(self, x: np.ndarray, bpp: float) -> tuple[float, bytes]:
        """The value of the knob whose file comes nearest to a rate, and that file."""
        pixels = x.shape[0] * x.shape[1]
        if self.knob == "bpp":
            value = min(max(bpp, self.limits[0]), self.limits[1])
            return value, self.encode(x, value)
        low, high = int(self.limits[0]), int(self.limits[1])
        files: dict[int, bytes] = {}
        while low <= high:
            middle = (low + high) // 2
            files[middle] = self.encode(x, middle)
            if 8 * len(files[middle]) < bpp * pixels:
                low = middle + 1
            else:
                high = middle - 1
        best = min(files, key=lambda value: abs(8 * len(files[value]) - bpp * pixels))
        return best, files[best]


def _tried(value: Any) -> bool:
    return isinstance(value, tuple)


# Progressive scans are shorter at high rates, one baseline scan at low ones.
_JPEG_OPTIONS = {"optimize": True, "progressive": (False, True)}
_JPEG_VALUES = (4, 7, 11, 16, 23, 32, 45, 60, 75, 87)

JPEG = Reference(
    "jpeg420",
    "JPEG 4:2:0",
    "JPEG",
    {**_JPEG_OPTIONS, "subsampling": "4:2:0"},
    "quality",
    _JPEG_VALUES,
    (1, 95),
    "libjpeg_turbo",
)
JPEG2000 = Reference(
    "jpeg2000",
    "JPEG 2000",
    "JPEG2000",
    {"irreversible": True, "mct": 1},
    "bpp",
    (0.08, 0.12, 0.18, 0.27, 0.4, 0.6, 0.85, 1.2, 1.7, 2.4),
    (0.02, 24),
    "jpg_2000",
)
WEBP = Reference(
    "webp",
    "WebP",
    "WEBP",
    {"method": 6},
    "quality",
    (0, 2, 5, 10, 19, 32, 48, 65, 80, 90),
    (0, 100),
    "webp",
)
AVIF = Reference(
    "avif",
    "AVIF",
    "AVIF",
    {"speed": 4},
    "quality",
    (2, 15, 27, 38, 49, 61, 73),
    (0, 100),
    "avif",
)
REFERENCES = (
    JPEG,
    dataclasses.replace(
        JPEG,
        key="jpeg444",
        name="JPEG 4:4:4",
        options={**_JPEG_OPTIONS, "subsampling": "4:4:4"},
    ),
    JPEG2000,
    WEBP,
    AVIF,
    Reference(
        "jxl",
        "JPEG XL",
        "JXL",
        {"effort": 7},
        "quality",
        (4, 8, 15, 25, 37, 50, 63, 76, 87),
        (1, 99),
        plugin="pillow-jxl-plugin",
    ),
)


def choose(keys: list[str]) -> tuple[list[Reference], list[Reference]]:
    """References by their keys; `all` for every one, `none` for none.

    Returns:
      Those that can run here, and those asked for that cannot.

    Raises:
      ValueError: if a key names none.
    """
    if keys == ["none"]:
        return [], []
    known = {r.key: r for r in REFERENCES}
    wrong = [k for k in keys if k not in known and k != "all"]
    if wrong:
        raise ValueError(
            f"there is no reference {wrong[0]}; there are: all, none, {', '.join(known)}."
        )
    chosen = [r for r in REFERENCES if r.key in keys or "all" in keys]
    return [r for r in chosen if r.available], [r for r in chosen if not r.available]
