"""The study of semantics: accuracies, controls, confusion, cost of the label."""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from data.sources import Source
from deepsic import folders
from deepsic.labels import Labels
from evaluation import (
    calibration,
    classifier,
    label_cost,
    paper,
    semantic_plot,
    semantic_table,
    semantics,
    tables,
)
from evaluation.accuracy import confusion
from evaluation.cache import Cache
from evaluation.labelled import SIDE
from evaluation.page import parts, semantics_section
from evaluation.semantics import Measured
from evaluation.study import Complaints

# Larger sets have no table of confusion.
MOST_CLASSES = 50
HEADS = ("model", "who", "sees", "classes", "bpp", "top-1", "95%", "top-5", "95%", "share", "95%")


def run(
    source: Source,
    name: str,
    models: Sequence[tuple[str, folders.Folder]],
    out: pathlib.Path,
    *,
    jobs: int,
    limit: int,
    side: int = SIDE,
) -> int:
    """Measures, and writes everything that can be written.

    Args:
      source: of labelled pictures.
      name: of the set and its split, for people.
      models: from `study.named`.
      out: folder of the results.
      jobs: processes.
      limit: how many pictures at most, spread over the set; 0 for all.
      side: of the squares that are cut from pictures; 0 for whole pictures as they are.

    Returns:
      The exit code: 1 if anything was left out.
    """
    complain = Complaints()
    subjects = semantics.open_subjects(models, source.labels, complain)
    classes, why = semantics.find_classes(source.labels)
    if why:
        print(f"Without an independent classifier: {why}")
    cache = Cache(out / "cache")
    options: dict[str, Any] = {"jobs": jobs, "limit": limit, "report": complain, "side": side}
    m = semantics.measure(source, subjects, classes, cache, **options)
    size = f"{side}×{side}" if side else "as they are"
    m.set = f"{name}, {size}"
    if not subjects or not len(m.truth):
        complain("error: no model and no picture is left to measure.")
        return 1
    rows = semantic_table.table(m, classes)
    costs = label_cost.table(m, cache)
    tables.write_csv(out / "semantics.csv", semantic_table.COLUMNS, rows)
    tables.write_csv(out / "label_cost.csv", label_cost.COLUMNS, costs)
    matrices = write_classes(out, m, source.labels, classes)
    print_all(m, name, size, rows, costs)
    write_calibration(out, semantic_table.calibrations(m, classes))
    semantic_plot.draw(out / "accuracy", rows)
    section = semantics_section.build(
        out / "accuracy.svg",
        name,
        len(m.truth),
        size,
        HEADS,
        [cells(r) for r in rows if r["control"] == "no"],
        [cells(r) for r in rows if r["control"] == "yes"],
        remarks(m, rows),
        costs,
        matrices,
        Labels.of(list(source.labels)).names,
    )
    weights = {s.name: s.fingerprint for s in m.subjects}
    print(f"\nLook at {parts.write(out, {'semantics': section}, weights)}")
    return 1 if complain.count else 0


def write_calibration(out: pathlib.Path, found: dict[str, tuple[float, list]]) -> None:
    """calibration.csv and its table for people; nothing where no model knows the set's tree."""
    rows = [row for _, mine in found.values() for row in mine]
    if not rows:
        return
    tables.write_csv(out / "calibration.csv", calibration.COLUMNS, rows)
    print("\nLabels as specific as is at least 50% likely, and whether they are true:")
    print(tables.as_text(calibration.HEADS, [calibration.cells(r) for r in rows]))
    for name, (error, _) in found.items():
        print(f"{name}: expected calibration error of its first answer {error:.1%}")


def write_classes(
    out: pathlib.Path, m: Measured, labels: Sequence[str], classes: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """classes.csv: accuracy by class; confusion-NAME.csv for each model of a small set.

    Returns:
      The matrices of confusion, by model; none for a large set.
    """
    names = Labels.of(list(labels)).names
    count = len(labels)
    matrices = {
        s.name: confusion(semantics.answers(m, s)[:, 0], m.truth, count) for s in m.subjects
    }
    if classes:
        best = m.joined(semantics.ORIGINAL, "answers", "some")[:, 0]
        matrices[f"{classifier.NAME} on {semantics.ORIGINAL}"] = confusion(best, m.truth, count)
    pictures = np.bincount(m.truth, minlength=count)
    tables.write_csv(
        out / "classes.csv",
        ("class", "name", "pictures", *matrices),
        [
            {"class": labels[i], "name": names[i], "pictures": int(pictures[i])}
            | {n: c[i, i] / pictures[i] if pictures[i] else None for n, c in matrices.items()}
            for i in range(count)
        ],
    )
    if count > MOST_CLASSES:
        return {}
    for model, counts in matrices.items():
        file = f"confusion-{re.sub(r'[^A-Za-z0-9.]+', '-', model).strip('-')}.csv"
        tables.write_csv(
            out / file,
            ("class", *names, "other"),
            [
                {"class": names[i], **dict(zip([*names, "other"], map(int, row), strict=True))}
                for i, row in enumerate(counts)
            ],
        )
    return matrices


def cells(row: dict[str, Any]) -> list[str]:
    """One accuracy for people, under HEADS."""
    shares = []
    for top in ("top1", "top5"):
        shares += [f"{row[top]:.1%}", f"{row[f'{top}_low']:.1%}–{row[f'{top}_high']:.1%}"]
    bpp = f"{row['bpp']:.3f}" if row["model"] else "24"
    model = row["model"] or tables.DASH
    return [model, row["who"], row["sees"], str(row["classes"]), bpp, *shares, *_share(row)]


def _share(row: dict[str, Any]) -> tuple[str, str]:
    if math.isnan(row.get("share", math.nan)):
        return tables.DASH, tables.DASH
    return f"{row['share']:.1%}", f"{row['share_low']:.1%}–{row['share_high']:.1%}"


def print_all(m: Measured, name: str, size: str, rows: list[dict], costs: list[dict]) -> None:
    """Everything for people: ours, the controls, the paper's apart, the cost of the label."""
    print(f"\n{name}: {len(m.truth)} pictures, {size}; bpp of whole files")
    print(f"share: top-1 as a share of {classifier.NAME}'s own on the originals")
    own = [r for r in rows if r["control"] == "no"]
    print(tables.as_text(HEADS, [cells(r) for r in own]))
    print(f"\nControls; {classifier.NAME} ran at {classifier.SIDE}×{classifier.SIDE}:")
    print(tables.as_text(HEADS, [cells(r) for r in rows if r["control"] == "yes"]))
    for sentence in remarks(m, rows):
        print(sentence)
    print(f"\n{paper.TITLE}:")
    print(
        tables.as_text(
            ("method", "top-1", "top-5"),
            [(r.method, f"{r.top1}%", f"{r.top5}%") for r in paper.TABLE_1],
        )
    )
    print("\nThe cost of the label, on one picture of the set:")
    print(tables.as_text(label_cost.HEADS, label_cost.lines(costs)))


def remarks(m: Measured, rows: Sequence[dict[str, Any]]) -> list[str]:
    """What one must know to read the numbers."""
    found = []
    few = sorted({r["classes"] for r in rows if r["classes"] < 100 and r["control"] == "no"})
    if few:
        among = " or ".join(map(str, few))
        found.append(f"Top-5 of {among} classes says little: guessing has {500 // few[-1]}%.")
    larger = [r for r in rows if r["sees"] == semantic_table.JPEG_SMALLEST]
    if larger:
        names = ", ".join(dict.fromkeys(r["model"] for r in larger))
        found.append(f"At quality 1 JPEG still takes more bits than {names}.")
    for s in m.subjects:
        for other in semantics.trained_apart(m, s):
            found.append(
                f"{s.name} and {other} share their networks: {other} is the same head trained"
                " and fed with the uncompressed features."
            )
    return found
