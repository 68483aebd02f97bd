"""Everything that decides what a bulk run makes; two runs with the same are one."""

from __future__ import annotations

import dataclasses
from typing import Any

from deepsic.labels import THRESHOLD

ACTIONS = ("compress", "classify", "pack")
FORMATS = ("parquet", "files")


@dataclasses.dataclass(frozen=True)
class Settings:
    """See the flags of `deepsic bulk`.

    Attributes:
      action: one of ACTIONS.
      source: IN.
      out: OUT.
      models: references of the models to compress with; several to come near to a rate.
      fingerprints: of these.
      further: folders of models that files may be of.
      bpp: the rate, bits per pixel, or None.
      format: one of FORMATS.
      threshold, topk: of labels, see `Codec.compress`.
      max_pixels: larger pictures are refused.
      block: inputs that are done together, and again if a worker dies.
    """

    action: str
    source: str
    out: str
    models: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    bpp: float | None = None
    format: str = "parquet"
    threshold: float = THRESHOLD
    topk: int = 0
    max_pixels: int | None = None
    block: int = 64

    def as_json(self) -> dict[str, Any]:
        """All that must be the same when a run is continued."""
        told = dataclasses.asdict(self)
        for name in ("out", "further", "block", "models"):
            del told[name]
        return told | {"fingerprints": list(self.fingerprints)}
