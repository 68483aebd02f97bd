"""Figures for print and screen, as PNG and SVG: legible in grey, and by the colour-blind.

Every codec has a colour of its own (Okabe and Ito's, which the colour-blind tell
apart), and also a marker and a dash of its own, which need no colour at all.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from deepsic import files
from evaluation.curves import Curve, curves_of
from evaluation.metrics import METRICS

TITLES = {
    "psnr_rgb": "PSNR, RGB (dB)",
    "psnr_luma": "PSNR, luma (dB)",
    "ms_ssim_rgb": "MS-SSIM, RGB (dB)",
    "ms_ssim_luma": "MS-SSIM, luma (dB)",
}
# Drawn for each picture too.
EACH = ("psnr_luma", "ms_ssim_luma")
# Colour, marker, dash.
STYLES: dict[str, tuple[str, str, Any]] = {
    "DeepSIC": ("#000000", "o", "-"),
    "DeepSIC pre": ("#000000", "o", "-"),
    "DeepSIC post": ("#D55E00", "s", "-"),
    "JPEG 4:2:0": ("#56B4E9", "v", "--"),
    "JPEG 4:4:4": ("#56B4E9", "^", ":"),
    "JPEG 2000": ("#0072B2", "D", "--"),
    "WebP": ("#009E73", "P", "-."),
    "AVIF": ("#CC79A7", "X", "--"),
    "JPEG XL": ("#E69F00", "*", "-."),
    "JPEG 2000 (OpenJPEG)": ("#0072B2", "d", ":"),
    "Toderici 2017": ("#999999", "1", "--"),
    "Theis 2017": ("#666666", "", "-."),
    "Rippel 2017": ("#E69F00", "2", "--"),
    "Ballé 2017 / bmshj2018-factorized": ("#009E73", "v", "--"),
    "bmshj2018-hyperprior": ("#56B4E9", "^", "--"),
    "mbt2018": ("#CC79A7", "x", "-."),
    "cheng2020-anchor": ("#B8A000", "+", "--"),
    "BPG 4:4:4": ("#0072B2", "", (0, (4, 1, 1, 1, 1, 1))),
    "VTM": ("#D55E00", "*", ":"),
}
OTHER = ("#666666", ".", "-")
LARGEST_RATE = 2.0
# More small multiples than this are no longer looked at.
MOST_MULTIPLES = 24
RC: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    # The same data give the same file.
    "svg.hashsalt": "deepsic",
}


def draw_all(
    out: pathlib.Path,
    rows: Sequence[Mapping[str, Any]],
    means: Mapping[str, Mapping[str, Curve]],
    published: Mapping[str, Mapping[str, Curve]],
) -> list[str]:
    """Every figure of rate and distortion.

    Args:
      out: folder of the files.
      rows: of pictures, as `rate_distortion.measure` returns them.
      means: by metric, curves of means over the pictures.
      published: by metric, curves for figures of their own, or nothing.

    Returns:
      Names of the figures; each is there as NAME.png and NAME.svg.
    """
    names = []
    for metric in METRICS:
        mean = means.get(metric)
        if not mean:
            continue
        names.append(metric)
        _draw_means(out / names[-1], mean, metric, "measured here")
        if published.get(metric):
            ours = {n: c for n, c in mean.items() if n.startswith("DeepSIC")}
            names.append(f"{metric}_published")
            _draw_means(out / names[-1], {**ours, **published[metric]}, metric, "as published")
        if metric in EACH:
            names.append(f"{metric}_each")
            _draw_multiples(out / names[-1], rows, metric)
    return names


def new_figure(width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure, path: pathlib.Path) -> None:
    # Dates would make every run's file another one.
    for kind, options in (("png", {"dpi": 160}), ("svg", {"metadata": {"Date": None}})):
        draw = functools.partial(figure.savefig, format=kind, **options)
        files.write_atomically(path.with_suffix(f".{kind}"), draw)


def _plot(axes, curve: Curve, small: bool = False) -> None:
    colour, marker, dash = STYLES.get(curve.name, OTHER)
    ours = curve.name.startswith("DeepSIC")
    # `post` usually shares its codec with `pre`: it is a wider line below.
    below = 1.9 if curve.name == "DeepSIC post" else 1.0
    shown = curve.bpp <= 1.25 * LARGEST_RATE
    axes.plot(
        curve.bpp[shown],
        curve.quality[shown],
        label=curve.name,
        color=colour,
        marker=marker,
        linestyle=dash,
        linewidth=(2.2 if ours else 1.2) * (0.7 if small else 1) * below,
        markersize=(6 if ours else 4.5) * (0.55 if small else 1) * below,
        markeredgewidth=1.2 if marker in "12x+" else 0.6,
        markeredgecolor=colour if marker in "12x+" else "white",
        zorder=4 - below if ours else 2,
    )


def _window(axes, curves: Sequence[Curve]) -> None:
    """Rates of interest, and the qualities that the curves have there."""
    axes.set_xlim(0, LARGEST_RATE)
    seen = [q for c in curves for b, q in zip(c.bpp, c.quality, strict=True) if b <= LARGEST_RATE]
    if seen:
        margin = 0.04 * (max(seen) - min(seen)) + 0.1
        axes.set_ylim(min(seen) - margin, max(seen) + margin)


def _draw_means(path: pathlib.Path, curves: Mapping[str, Curve], metric: str, whose: str) -> None:
    import matplotlib

    with matplotlib.rc_context(RC):
        figure = new_figure(7.2, 4.4)
        axes = figure.add_subplot()
        for curve in curves.values():
            _plot(axes, curve)
        _window(axes, list(curves.values()))
        axes.set_xlabel(
            "bits per pixel, whole files" if whose != "as published" else "bits per pixel"
        )
        axes.set_ylabel(TITLES[metric])
        axes.set_title(f"Means over the pictures; other codecs {whose}", fontsize=9, loc="left")
        axes.legend(fontsize=8, loc="lower right", handlelength=3.2)
        save(figure, path)


def _draw_multiples(path: pathlib.Path, rows: Sequence[Mapping[str, Any]], metric: str) -> None:
    import matplotlib

    pictures = list(dict.fromkeys(row["image"] for row in rows))[:MOST_MULTIPLES]
    across = min(4, len(pictures))
    down = -(-len(pictures) // across)
    with matplotlib.rc_context(RC | {"font.size": 7}):
        figure = new_figure(2.1 * across + 0.4, 1.7 * down + 0.6)
        grid = figure.subplots(down, across, squeeze=False, sharex=True)
        for axes in grid.flat[len(pictures) :]:
            axes.set_visible(False)
        for picture, axes in zip(pictures, grid.flat, strict=False):
            curves = curves_of((r for r in rows if r["image"] == picture), metric)
            for curve in curves.values():
                _plot(axes, curve, small=True)
            _window(axes, list(curves.values()))
            axes.set_title(pathlib.Path(picture).stem, fontsize=7, loc="left", pad=2)
        handles, labels = _all_handles(grid)
        figure.legend(
            handles,
            labels,
            loc="outside upper left",
            ncols=min(max(2, 3 * across // 2), len(labels)),
        )
        figure.supxlabel("bits per pixel, whole files", fontsize=7)
        figure.supylabel(TITLES[metric], fontsize=7)
        save(figure, path)


def _all_handles(grid) -> tuple[list, list]:
    found: dict[str, Any] = {}
    for axes in grid.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
