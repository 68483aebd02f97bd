"""The study of rate and distortion: tables, deltas, figures and their part of the page."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from evaluation import bd, curves, plots, rate_distortion, tables
from evaluation.cache import Cache
from evaluation.measure import Subject
from evaluation.metrics import METRICS
from evaluation.references import Reference
from models import store


class Complaints:
    """Sentences on stderr about what had to be left out; `count` of them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, sentence: str) -> None:
        print(sentence, file=sys.stderr)
        self.count += 1


def named(folders: Sequence[store.Folder]) -> list[tuple[str, store.Folder]]:
    """Models with names for the tables: their folders', or whole paths where those agree."""
    names = [f.path.resolve().name for f in folders]
    return [
        (str(f.path) if names.count(n) > 1 else n, f) for n, f in zip(names, folders, strict=True)
    ]


def run(
    paths: Sequence[str],
    models: Sequence[tuple[str, store.Folder]],
    references: Sequence[Reference],
    out: pathlib.Path,
    *,
    jobs: int,
    published: bool | None,
) -> int:
    """Measures, and writes everything that can be written.

    Args:
      paths: of pictures.
      models: from `named`.
      references: that can run here.
      out: folder of the results.
      jobs: processes.
      published: whether to draw published Kodak curves; None if the pictures are Kodak's.

    Returns:
      The exit code: 1 if anything was left out.
    """
    complain = Complaints()
    pictures = rate_distortion.open_pictures(paths, complain)
    if not pictures:
        return 1
    subjects = [Subject.of_model(folder, name) for name, folder in models]
    subjects += [Subject.of_reference(r) for r in references]
    rows = rate_distortion.measure(pictures, subjects, Cache(out / "cache"), jobs, complain)
    means = rate_distortion.summarise(rows)
    rate_distortion.write(out, rows, means)
    print(tables.as_text(rate_distortion.HEADS, rate_distortion.lines(means)))
    for reference in references:
        print(f"{reference.name}: {reference.describe()} ({reference.version})")
    if published is None:
        published = curves.is_kodak(p.name for p in pictures)
    overlay = {m: curves.published(m) for m in METRICS} if published else {}
    deltas = bd.table(rows, means, overlay)
    tables.write_csv(out / "bd.csv", bd.COLUMNS, deltas)
    print_deltas(deltas)
    plots.draw_all(out, rows, means, overlay)
    return 1 if complain.count else 0


def print_deltas(deltas: Sequence[dict[str, Any]]) -> None:
    """BD-rates for people, the headline first."""
    headline = [d for d in deltas if d["metric"] == "psnr_luma" and d["of"] == bd.PER_PICTURE]
    if not headline:
        return
    print("\nBD-rate in luma PSNR, computed per picture and averaged (negative: fewer bits):")
    columns = ("curve", "over", "BD-rate", "BD-PSNR", "between", "pictures", "")
    print(tables.as_text(columns, [delta_cells(d) for d in headline]))


def delta_cells(d: dict[str, Any]) -> list[str]:
    """One delta for people."""
    between = tables.DASH
    if d["quality_from"] == d["quality_from"]:
        between = f"{d['quality_from']:.1f}–{d['quality_to']:.1f} dB"
    return [
        d["curve"],
        d["reference"],
        tables.shown(d["bd_rate_percent"], "+.1f") + ("%" if not d["note"] else ""),
        tables.shown(d["bd_quality_db"], "+.2f") + (" dB" if not d["note"] else ""),
        between,
        str(d["pictures"]),
        d["note"],
    ]
