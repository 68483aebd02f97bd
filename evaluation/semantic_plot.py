"""The figure of accuracy against rate: heads, and the controls beside them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation import plots
from evaluation.classifier import NAME
from evaluation.semantic_table import DECODED, JPEG_EQUAL, JPEG_SMALLEST
from evaluation.semantics import ORIGINAL

JPEGS = (JPEG_EQUAL, JPEG_SMALLEST)
# Label, colour, marker, dash; who answers, what is seen, by whose files.
SERIES = (
    ("pre, its head", "#000000", "o", "-", "head", (), "pre"),
    ("post, its head", "#D55E00", "s", "-", "head", (), "post"),
    (f"{NAME} on pre's pictures", "#0072B2", "D", "--", NAME, (DECODED,), "pre"),
    (f"{NAME} on post's pictures", "#CC79A7", "X", "--", NAME, (DECODED,), "post"),
    (f"{NAME} on JPEG near pre's bpp", "#56B4E9", "v", ":", NAME, JPEGS, "pre"),
    (f"{NAME} on JPEG near post's bpp", "#009E73", "^", ":", NAME, JPEGS, "post"),
)


def draw(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draws top-1 accuracies with their intervals as PNG and SVG.

    Args:
      path: of the figure, without extension.
      rows: from `semantic_table.table`; of the classifier's, those among the set's classes
        are drawn.
    """
    import matplotlib

    among = min((r["classes"] for r in rows if r["who"] == NAME), default=0)
    rows = [r for r in rows if r["who"] != NAME or r["classes"] == among]
    rows = [r for r in rows if r["who"] == NAME or r["classes"] == _fewest(r["model"], rows)]
    rows = [r for r in rows if r["who"] != NAME or r["model"] not in repeated(rows)]
    with matplotlib.rc_context(plots.RC):
        figure = plots.new_figure(7.2, 4.4)
        axes = figure.add_subplot()
        for label, colour, marker, dash, who, sees, arch in SERIES:
            mine = points(rows, who, sees, arch)
            if mine:
                style = {"color": colour, "marker": marker, "linestyle": dash, "label": label}
                _plot(axes, mine, style, own=who == "head")
        for row in (r for r in rows if r["sees"] == ORIGINAL):
            _mark_original(axes, 100 * row["top1"])
        # A margin, so that no point lies on the frame, even where there is only one.
        axes.set_xlim(0, 1.15 * max((r["bpp"] for r in rows if r["sees"] != ORIGINAL), default=1.0))
        axes.margins(y=0.15)
        axes.set_xlabel("bits per pixel, whole files")
        axes.set_ylabel("top-1 accuracy (%)")
        axes.legend(fontsize=8, handlelength=3.2)
        plots.save(figure, path)


def _fewest(model: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """The smallest number of classes that a model's head chose from."""
    return min(r["classes"] for r in rows if r["who"] == "head" and r["model"] == model)


def repeated(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """`post` models whose decoded pictures are those of a `pre` model: one codec, two heads."""
    known = {r["psnr_rgb"] for r in rows if r["sees"] == DECODED and r["arch"] == "pre"}
    return {r["model"] for r in rows if r["arch"] == "post" and r["psnr_rgb"] in known}


def points(
    rows: Sequence[Mapping[str, Any]], who: str, sees: Sequence[str], arch: str
) -> list[tuple[float, ...]]:
    """bpp, top-1 and its interval, by rate: of a head's own rows, or of a control's."""
    own = who == "head"
    return sorted(
        (r["bpp"], r["top1"], r["top1_low"], r["top1_high"])
        for r in rows
        if (r["who"], r["arch"]) == (who, arch)
        and (r["control"] == "no" if own else r["sees"] in sees)
    )


def _plot(axes, mine: list[tuple[float, ...]], style: dict[str, Any], own: bool) -> None:
    import numpy as np

    bpp, top1, low, high = np.array(mine).T
    axes.errorbar(
        bpp,
        100 * top1,
        yerr=100 * np.stack([top1 - low, high - top1]),
        linewidth=2.2 if own else 1.2,
        elinewidth=0.8,
        capsize=2,
        markeredgecolor="white",
        **style,
    )


def _mark_original(axes, top1: float) -> None:
    axes.axhline(top1, color="#666666", linestyle=(0, (4, 1, 1, 1)), zorder=1)
    axes.annotate(
        f"{NAME} on {ORIGINAL}",
        (1, top1),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color="#444444",
    )
