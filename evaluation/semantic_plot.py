"""The figure of accuracy against rate: heads, and the controls beside them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation import plots
from evaluation.classifier import CLASSES, NAME
from evaluation.semantics import ORIGINAL

# Label, colour, marker, dash; who answers, what is seen, by whose files.
SERIES = (
    ("pre, its head", "#000000", "o", "-", "head", "features", "pre"),
    ("post, its head", "#D55E00", "s", "-", "head", "features", "post"),
    (f"{NAME} on pre's pictures", "#0072B2", "D", "--", NAME, "decoded pictures", "pre"),
    (f"{NAME} on post's pictures", "#CC79A7", "X", "--", NAME, "decoded pictures", "post"),
    (f"{NAME} on JPEG at pre's bpp", "#56B4E9", "v", ":", NAME, "JPEG at equal bpp", "pre"),
    (f"{NAME} on JPEG at post's bpp", "#009E73", "^", ":", NAME, "JPEG at equal bpp", "post"),
)


def draw(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draws top-1 accuracies with their intervals as PNG and SVG.

    Args:
      path: of the figure, without extension.
      rows: from `semantics.table`; of the classifier, those among the set's classes.
    """
    import matplotlib

    rows = [r for r in rows if r["who"] != NAME or r["classes"] < CLASSES]
    with matplotlib.rc_context(plots.RC):
        figure = plots.new_figure(7.2, 4.4)
        axes = figure.add_subplot()
        for label, colour, marker, dash, who, sees, arch in SERIES:
            own = who == "head"
            mine = sorted(
                (r["bpp"], r["top1"], r["top1_low"], r["top1_high"])
                for r in rows
                if (r["who"], r["arch"]) == (who, arch)
                and (r["control"] == "no" if own else r["sees"] == sees)
            )
            if not mine:
                continue
            bpp, top1, low, high = zip(*mine, strict=True)
            errors = [
                [100 * (t - v) for t, v in zip(top1, low, strict=True)],
                [100 * (v - t) for t, v in zip(top1, high, strict=True)],
            ]
            axes.errorbar(
                bpp,
                [100 * t for t in top1],
                yerr=errors,
                label=label,
                color=colour,
                marker=marker,
                linestyle=dash,
                linewidth=2.2 if own else 1.2,
                elinewidth=0.8,
                capsize=2,
                markeredgecolor="white",
            )
        for row in (r for r in rows if r["sees"] == ORIGINAL):
            axes.axhline(100 * row["top1"], color="#666666", linestyle=(0, (4, 1, 1, 1)), zorder=1)
            axes.annotate(
                f"{NAME} on {ORIGINAL}",
                (1, 100 * row["top1"]),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
                fontsize=8,
                color="#444444",
            )
        axes.set_xlim(left=0)
        axes.set_xlabel("bits per pixel, whole files")
        axes.set_ylabel("top-1 accuracy (%)")
        axes.legend(fontsize=8, handlelength=3.2)
        plots.save(figure, path)
