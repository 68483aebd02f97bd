"""What may be asked of a compressed file: a rate, a size, a quality, and how hard to try."""

from __future__ import annotations

import math
from typing import NamedTuple

TARGETS = ("bpp", "max_bytes", "psnr", "quality")
# 0 rounds features; what the others do, `deepsic.effort` says. The default costs no extra time.
EFFORTS = (0, 1, 2, 3)
DEFAULT_EFFORT = 0


class Target(NamedTuple):
    """What is asked for.

    Attributes:
      kind: one of TARGETS. `bpp`, bits per pixel of the whole file, never exceeded; `max_bytes`,
        the same in bytes; `psnr`, dB in RGB, at least; or `quality`, 0 to 100, even steps in
        the heights of rungs between the coarsest and the finest one (`deepsic.ladder`).
      value: the number.
    """

    kind: str
    value: float

    def check(self) -> None:
        """Raises ValueError for a number that nobody can mean."""
        if self.kind == "quality":
            if not 0 <= self.value <= 100:
                raise ValueError(f"quality must lie in 0 to 100, not {self.value!r}.")
        elif not (math.isfinite(self.value) and self.value > 0):
            what = {"bpp": "bits per pixel", "max_bytes": "bytes", "psnr": "decibels"}[self.kind]
            raise ValueError(f"{self.kind} takes a positive number of {what}, not {self.value!r}.")


def choose_target(**asked: float | None) -> Target | None:
    """The one target that is not None, or None; raises ValueError if there are several."""
    given = [Target(kind, value) for kind, value in asked.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{given[0].kind} and {given[1].kind} exclude each other: pass one.")
    for target in given:
        target.check()
    return given[0] if given else None
