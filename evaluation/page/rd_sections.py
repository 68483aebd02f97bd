"""The page's pictures, curves and tables of rate and distortion."""

from __future__ import annotations

import hashlib
import html
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation import bd, plots, rate_distortion
from evaluation.measure import OURS, Row
from evaluation.page import parts
from evaluation.page.gallery import LARGEST_SIDE
from evaluation.references import Reference


def gallery(pictures: Sequence[dict[str, Any]]) -> str:
    """The section of pictures, from `gallery.make`."""
    shown: dict[str, str] = {}
    found = []
    for picture in pictures:
        rates = [
            {"bpp": rate["bpp"], "tiles": [_tile(t, shown) for t in rate["tiles"]]}
            for rate in picture["rates"]
        ]
        found.append({**picture, "rates": rates})
    cut = any(p["cut"] for p in pictures)
    rates = [rate["bpp"] for rate in pictures[0]["rates"]] if pictures else []
    data = json.dumps({"pictures": found, "rates": rates, "images": shown}, allow_nan=False)
    return parts.template(
        "gallery.html",
        cut=f" Larger pictures are shown in part, {LARGEST_SIDE} pixels a side." if cut else "",
        # A name with a tag in it must not end the script.
        data=data.replace("<", "\\u003c"),
        script=(parts.HERE / "page.js").read_text(encoding="utf-8"),
    )


def _tile(tile: dict[str, Any], shown: dict[str, str]) -> dict[str, Any]:
    """A tile that names its picture; the picture itself, once, in `shown`."""
    known = {k: _finite(v) for k, v in tile.items() if k != "uri"}
    if "uri" in tile:
        known["image"] = hashlib.sha256(tile["uri"].encode()).hexdigest()[:16]
        shown[known["image"]] = tile["uri"]
    return known


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rate_distortion_section(
    out: pathlib.Path,
    rows: Sequence[Row],
    means: Sequence[Row],
    deltas: Sequence[Mapping[str, Any]],
    references: Sequence[Reference],
    figures: Sequence[str],
    remark: str = "",
) -> str:
    """Curves, deltas and means, from what the study has; with a sentence on what was measured."""
    pictures = len({row["image"] for row in rows})
    body = [
        f"<p>{pictures} pictures, each compressed to a real file and decoded again. Rates count"
        " whole files; luma is BT.601 full range; MS-SSIM is drawn as −10·log₁₀(1 − MS-SSIM)."
        f" {html.escape(remark)}</p>",
        _curves(out, figures),
        "<h3>Bjøntegaard deltas</h3>",
        "<p>How many more bits (negative: fewer) a curve takes than the reference for the same"
        " quality, and how many dB it is above it at the same rate, on average over the range that"
        " both have. The headline is computed for each picture and then averaged.</p>",
        *(_deltas(deltas, metric, bd.PER_PICTURE) for metric in plots.TITLES),
        "<p>Of mean curves, which is all that is published. Beside a codec that is run at a"
        " constant rate, as JPEG 2000 is here, these mislead: from picture to picture the quality"
        " differs for the one, and the rate for the other.</p>",
        *(_deltas(deltas, metric, bd.MEAN_CURVES) for metric in plots.TITLES),
        "<h3>Means over the pictures</h3>",
        "<p>Seconds are what single runs took while this was measured, with whatever else the"
        " machine had to do; <code>python -m tools.benchmarks.parts</code> measures time.</p>",
        parts.table(
            rate_distortion.HEADS,
            rate_distortion.lines(means),
            text={1},
            ours=lambda row: any(row[0] == m["codec"] for m in means if _is_ours(m)),
        ),
        _settings(references),
    ]
    return parts.section("rate-distortion", "\n".join(body))


def _is_ours(row: Mapping[str, Any]) -> bool:
    return row["curve"].startswith(OURS)


def _curves(out: pathlib.Path, figures: Sequence[str]) -> str:
    def draw(name: str, kind: str = "") -> str:
        metric = name.removesuffix("_each").removesuffix("_published")
        return parts.figure(out / f"{name}.svg", f"{plots.TITLES[metric]} against rate", kind)

    means = [n for n in figures if not n.endswith("_each")]
    each = [n for n in figures if n.endswith("_each")]
    multiples = "".join(draw(n, ' class="wide"') for n in each)
    return (
        f'<div class="curves">{"".join(map(draw, means))}</div>'
        f"<details><summary>Each picture</summary>{multiples}</details>"
    )


def _deltas(deltas: Sequence[Mapping[str, Any]], metric: str, of: str) -> str:
    mine = [d for d in deltas if d["metric"] == metric and d["of"] == of]
    if not mine:
        return ""
    opened = " open" if (metric, of) == ("psnr_luma", bd.PER_PICTURE) else ""
    shown = parts.table(bd.HEADS, [bd.cells(d) for d in mine], text={1, 7})
    return f"<details{opened}><summary>{plots.TITLES[metric]}, {of}</summary>{shown}</details>"


def _settings(references: Sequence[Reference]) -> str:
    rows = [(r.name, r.settings, r.version) for r in references]
    if not rows:
        return ""
    return "<h3>Settings of the other codecs</h3>" + parts.table(
        ("codec", "settings", "library"), rows, text={1, 2}
    )
