"""The study of rate and distortion: tables, deltas, figures and their part of the page."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from deepsic import folders
from deepsic.targets import DEFAULT_EFFORT
from evaluation import bd, curves, plots, rate_distortion, tables
from evaluation.cache import Cache
from evaluation.measure import OURS, Subject
from evaluation.metrics import METRICS
from evaluation.page import gallery, parts, rd_sections
from evaluation.references import Reference


class Complaints:
    """Sentences on stderr about what had to be left out; `count` of them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, sentence: str) -> None:
        print(sentence, file=sys.stderr)
        self.count += 1


def named(folders: Sequence[folders.Folder]) -> list[tuple[str, folders.Folder]]:
    """Models with names for the tables: their own, or whole paths where those agree."""
    names = [f.name for f in folders]
    return [
        (f.reference if names.count(n) > 1 else n, f) for n, f in zip(names, folders, strict=True)
    ]


def merge_heads(
    models: Sequence[tuple[str, folders.Folder]],
) -> tuple[list[tuple[str, folders.Folder]], str]:
    """One model for each codec: `pre` and `post` of one folder code pictures alike.

    Returns:
      The models that are left, and a sentence on those that are not; empty if all are.
    """
    kept: dict[tuple[pathlib.Path, int], tuple[str, folders.Folder]] = {}
    merged = []
    for name, folder in sorted(models, key=lambda m: m[1].arch != "pre"):
        key = folder.path, folder.step
        if key in kept:
            merged.append(name)
        else:
            kept[key] = name, folder
    left = [m for m in models if m in kept.values()]
    if not merged:
        return left, ""
    return left, f"{', '.join(merged)}: the same codec as pre's, with another head; measured once."


def curve_of(folder: folders.Folder, models: Sequence[tuple[str, folders.Folder]]) -> str:
    """The curve of a model: all are one, unless both architectures are among them."""
    archs = {f.arch for _, f in models}
    return OURS if len(archs) == 1 else f"{OURS} {folder.arch}"


def run(
    paths: Sequence[str],
    models: Sequence[tuple[str, folders.Folder]],
    references: Sequence[Reference],
    out: pathlib.Path,
    *,
    jobs: int,
    published: bool | None,
    show: Sequence[str] = (),
    effort: int = DEFAULT_EFFORT,
) -> int:
    """Measures, and writes everything that can be written.

    Args:
      paths: of pictures.
      models: from `named`.
      references: that can run here.
      out: folder of the results.
      jobs: processes.
      published: whether to draw published Kodak curves; None if the pictures are Kodak's.
      show: names of pictures for the page; a few spread evenly if empty.
      effort: of the models' encoders.

    Returns:
      The exit code: 1 if anything was left out.

    Raises:
      ValueError: if `show` names no picture.
    """
    complain = Complaints()
    pictures = rate_distortion.open_pictures(paths, complain)
    if not pictures:
        return 1
    chosen = gallery.choose(pictures, show)
    models, remark = merge_heads(models)
    subjects = [Subject.of_model(f, n, curve_of(f, models), effort) for n, f in models]
    subjects += [Subject.of_reference(r) for r in references]
    cache = Cache(out / "cache")
    rows = rate_distortion.measure(pictures, subjects, cache, jobs, complain)
    means = rate_distortion.summarise(rows)
    rate_distortion.write(out, rows, means)
    print(tables.as_text(rate_distortion.HEADS, rate_distortion.lines(means)))
    for reference in references:
        print(f"{reference.name}: {reference.settings} ({reference.version})")
    if published is None:
        published = curves.is_kodak(p.name for p in pictures)
    overlay = {m: curves.published(m) for m in METRICS} if published else {}
    mean_curves = {
        m: curves.curves_of(rate_distortion.summarise(curves.complete(rows, m)), m) for m in METRICS
    }
    deltas = bd.table(rows, mean_curves, overlay)
    tables.write_csv(out / "bd.csv", bd.COLUMNS, deltas)
    print_deltas(deltas)
    figures = plots.draw_all(out, rows, mean_curves, overlay)
    if remark:
        print(remark)
    tiles = gallery.make(chosen, subjects[: len(models)], rows, cache, jobs)
    body = rd_sections.rate_distortion_section(
        out, rows, means, deltas, references, figures, remark
    )
    sections = {"look": rd_sections.gallery(tiles), "rate-distortion": body}
    page = parts.write(out, sections, {n: f.identity for n, f in models})
    print(f"\nLook at {page}")
    return 1 if complain.count else 0


def print_deltas(deltas: Sequence[dict[str, Any]]) -> None:
    """BD-rates for people, the headline only."""
    headline = [d for d in deltas if d["metric"] == "psnr_luma" and d["of"] == bd.PER_PICTURE]
    if headline:
        print("\nLuma PSNR, computed per picture and averaged (negative rates: fewer bits):")
        print(tables.as_text(bd.HEADS, [bd.cells(d) for d in headline]))
