"""The page's tables of semantics."""

from __future__ import annotations

import html
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation import classifier, label_cost, paper
from evaluation.page import parts


def build(
    figure: pathlib.Path,
    name: str,
    pictures: int,
    size: str,
    heads: Sequence[str],
    own: Sequence[Sequence[str]],
    controls: Sequence[Sequence[str]],
    remarks: Sequence[str],
    costs: Sequence[Mapping[str, Any]],
    matrices: Mapping[str, np.ndarray],
    names: Sequence[str],
) -> str:
    """The section.

    Args:
      figure: SVG of accuracy against rate.
      name: of the labelled set.
      pictures: measured.
      size: of the pictures, for people.
      heads: of the two tables.
      own: cells of the models' own accuracies.
      controls: cells of the others.
      remarks: what one must know to read them.
      costs: from `label_cost.table`.
      matrices: of confusion, by model; empty for large sets.
      names: of the classes.
    """
    body = [
        f"<p>{html.escape(name)}: {pictures} pictures, {size};"
        " rates of whole files; Wilson's 95% intervals.</p>",
        parts.figure(figure, "top-1 accuracy against rate", ' class="wide"'),
        parts.table(heads, own, text={1, 2}),
        *(f"<p>{html.escape(sentence)}</p>" for sentence in remarks),
        "<h3>Controls</h3>",
        f"<p>{classifier.NAME} saw the same pixels, resized to"
        f" {classifier.SIDE}×{classifier.SIDE}. Its answers are counted among the set's"
        " classes, which is what the heads choose from, and among all of ImageNet's.</p>",
        parts.table(heads, controls, text={1, 2}),
        f"<h3>{html.escape(paper.TITLE)}</h3>",
        parts.table(
            ("method", "top-1", "top-5"),
            [(r.method, f"{r.top1}%", f"{r.top5}%") for r in paper.TABLE_1],
        ),
        "<h3>The cost of the label</h3>",
        "<p>On one picture of the set. “Read it” is in a program that runs already; the commands"
        " include starting Python and all that they import.</p>",
        parts.table(label_cost.HEADS, label_cost.lines(costs)),
        *(_confusion(model, counts, names) for model, counts in matrices.items()),
    ]
    return parts.section("semantics", "\n".join(body))


def _confusion(model: str, counts: np.ndarray, names: Sequence[str]) -> str:
    """Rows are the pictures' classes, columns the answers; the shade is the share of the row."""
    counts = counts if counts[:, -1].any() else counts[:, :-1]
    heads = "".join(f"<th>{html.escape(n)}</th>" for n in [*names, "other"][: counts.shape[1]])
    lines = []
    for name, row in zip(names, counts, strict=True):
        shares = row / max(1, row.sum())
        cells = "".join(_shaded(n, share) for n, share in zip(row, shares, strict=True))
        lines.append(f"<tr><td>{html.escape(name)}</td>{cells}</tr>")
    table = (
        f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
    title = f"Confusion of {html.escape(model)}: pictures by class (rows) and answer (columns)"
    return f'<details><summary>{title}</summary><div class="table">{table}</div></details>'


def _shaded(count: int, share: float) -> str:
    grey = round(255 - 190 * share)
    ink = "#fff" if share > 0.6 else "#000"
    style = f"background:rgb({grey},{grey},{grey});color:{ink}"
    return f'<td class="heat" style="{style}">{count or ""}</td>'
