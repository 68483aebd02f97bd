"""The manifest of a model folder, model.json: what it must say; see `deepsic.folders`."""

from __future__ import annotations

import re
from typing import Any

VERSION = 2
ARCHS = ("pre", "post")
_TABLES = re.compile(r"[0-9a-f]{8}")
# No other file of the folder is read or written, whatever the manifest says.
_NAMES = re.compile(
    r"labels\.json|tables/[0-9a-f]{8}\.npz"
    r"|(codec|heads/(pre|post))/(config\.json|weights\.npz|graphs\.(npz|json))"
)


def check(manifest: Any) -> None:
    """Complains of a manifest that is none.

    Args:
      manifest: the parsed file.

    Raises:
      ValueError, KeyError, TypeError, AttributeError: where it says other things than it must.
    """
    if manifest["version"] != VERSION:
        raise ValueError(f"its version {manifest['version']!r} is not known here")
    tables, checksums, cards = manifest["tables"], manifest["sha256"], manifest["cards"]
    if not isinstance(checksums, dict) or not all(map(_NAMES.fullmatch, checksums)):
        raise ValueError("it has no checksums, or names files that no model has")
    if not isinstance(tables, list) or not tables or not all(map(_TABLES.fullmatch, tables)):
        raise ValueError("it names no tables")
    if not isinstance(cards, dict) or not cards or not set(cards) <= set(ARCHS):
        raise ValueError("it names no head")
    if not all(isinstance(card, dict) for card in cards.values()):
        raise ValueError("a card is of another kind")
    _check_rates(manifest.get("rates", {}))


def _check_rates(rates: Any) -> None:
    names, lambda1 = rates.get("names", {}), rates.get("lambda1", [])
    steps = rates.get("steps", [0, 0])
    if not isinstance(names, dict) or any(type(s) is not int for s in names.values()):
        raise ValueError("its steps are no numbers")
    if not isinstance(steps, list) or [type(s) for s in steps] != [int, int]:
        raise ValueError("its best steps are no range")
    if not isinstance(lambda1, list) or not all(type(v) is float and v > 0 for v in lambda1):
        raise ValueError("its λ1 are no numbers")
