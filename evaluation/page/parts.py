"""Pieces of HTML: tables, figures, sections kept between runs, the whole page."""

from __future__ import annotations

import base64
import html
import json
import operator
import pathlib
import string
from collections.abc import Callable, Collection, Mapping, Sequence

from deepsic import files

HERE = pathlib.Path(__file__).resolve().parent
# Each command writes its sections; the page shows what there is, in this order.
SECTIONS = ("look", "rate-distortion", "semantics")
TITLES = {
    "look": "Pictures",
    "rate-distortion": "Rate and distortion",
    "semantics": "Semantics",
}


def template(name: str, **values: str) -> str:
    """A file of this folder with its $names filled in."""
    return string.Template((HERE / name).read_text(encoding="utf-8")).substitute(values)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    text: Collection[int] = (),
    ours: Callable[[Sequence[str]], bool] = lambda row: False,
) -> str:
    """A table of cells that are escaped here.

    Args:
      columns: heads.
      rows: cells.
      text: columns that are set to the left besides the first.
      ours: whether a row is emphasised.
    """

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = [' class="text"' if i in text else "" for i in range(len(cells))]
        return "".join(
            f"<{tag}{kind}>{html.escape(cell)}</{tag}>"
            for cell, kind in zip(cells, kinds, strict=True)
        )

    body = "\n".join(
        f"<tr{' class=ours' if ours(row) else ''}>{line('td', row)}</tr>" for row in rows
    )
    head = f"<thead><tr>{line('th', columns)}</tr></thead>"
    return f'<div class="table"><table>{head}\n<tbody>\n{body}\n</tbody></table></div>'


def figure(path: pathlib.Path, description: str, kind: str = "") -> str:
    """An SVG file as part of the page."""
    uri = f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return f'<figure{kind}><img src="{uri}" alt="{html.escape(description)}"></figure>'


def section(name: str, body: str) -> str:
    """A part of the page under its title."""
    return f'<section id="{name}">\n<h2>{TITLES[name]}</h2>\n{body}\n</section>'


def write(
    out: pathlib.Path, sections: Mapping[str, str], models: Mapping[str, str]
) -> pathlib.Path:
    """Writes report.html of some new sections and those that other runs left.

    Args:
      out: folder of the results.
      sections: by their names in SECTIONS.
      models: fingerprints of those measured, by name. Sections left by runs with
        other weights of the same names say so.
    """
    kept = {name: out / "cache" / f"section-{name}.json" for name in SECTIONS}
    for name, body in sections.items():
        text = json.dumps({"body": body, "models": dict(models)})
        files.write_text_atomically(kept[name], operator.methodcaller("write", text))
    there = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in kept.items()
        if path.exists()
    }
    page = template(
        "page.html",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        links="".join(f'<a href="#{n}">{TITLES[n]}</a>' for n in there),
        sections="\n".join(_warning(s["models"], models) + s["body"] for s in there.values()),
    )
    path = out / "report.html"
    files.write_text_atomically(path, lambda handle: handle.write(page))
    return path


def _warning(measured: Mapping[str, str], now: Mapping[str, str]) -> str:
    changed = [n for n, weights in measured.items() if now.get(n, weights) != weights]
    if not changed:
        return ""
    names = html.escape(", ".join(changed))
    return f"<p><strong>What follows is of other weights of {names}: measure it again.</strong></p>"
