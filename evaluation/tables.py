"""Tables as CSV files and as text for people."""

from __future__ import annotations

import csv
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deepsic import files

DASH = "–"


def cell(value: Any) -> str:
    """A figure for a CSV: six digits; nothing where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def write_csv(path: pathlib.Path, columns: Sequence[str], rows: Iterable[Mapping]) -> None:
    """Writes a table whole or not at all; raises files.BadFile if it cannot be written."""

    def write(handle) -> None:
        lines = csv.DictWriter(handle, columns, lineterminator="\n")
        lines.writeheader()
        lines.writerows({c: cell(row.get(c)) for c in columns} for row in rows)

    files.write_text_atomically(path, write)


def shown(value: float | None, form: str) -> str:
    """A figure for people; a dash where there is none."""
    if value is None or math.isnan(value):
        return DASH
    return format(value, form)


def as_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in columns; all but the first are set to the right."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    padded = (
        [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        for line in lines
    )
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
