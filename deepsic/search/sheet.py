"""A contact sheet of the hits: one HTML file with the pictures in it."""

from __future__ import annotations

import base64
import html
import io
import os

from deepsic.dsicfile import DsicFile
from deepsic.errors import DeepsicError
from deepsic.files import write_atomically
from deepsic.registry import Registry
from deepsic.search.query import Hit
from deepsic.search.reading import progress
from deepsic.search.scan import Failed

SIDE = 224  # of a picture on the sheet, pixels at most

_HEAD = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.4 sans-serif; margin: 2em; background: #fff; color: #222 }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 1.2em }}
figure {{ margin: 0 }}
img {{ display: block; max-width: 100%; margin-bottom: .4em }}
small {{ color: #666; overflow-wrap: anywhere }}
</style>
<h1>{title}</h1>
<main>
"""
_FIGURE = """<figure><img src="{src}" width="{width}" height="{height}" alt="{label}">
<figcaption><b>{probability}</b> {label}<br><small title="{levels}">{path}</small></figcaption>
</figure>
"""


def write(
    path: str | os.PathLike, title: str, hits: list[Hit], models: Registry, max_pixels: int | None
) -> list[Failed]:
    """Decodes the hits, and no other file, into a contact sheet.

    Args:
      path: of the HTML file.
      title: its heading.
      hits: in order.
      models: to decode with.
      max_pixels: larger pictures are left out.

    Returns:
      Hits that could not be decoded; they are not on the sheet.

    Raises:
      BadFile: if the file cannot be written.
    """
    figures, failed = [], []
    for hit in progress(hits, "decoding"):
        try:
            figures.append(_figure(hit, models, max_pixels))
        except (DeepsicError, OSError) as error:
            failed.append(Failed.because(hit.file.path, error))
    text = _HEAD.format(title=html.escape(title)) + "".join(figures) + "</main>\n</html>\n"
    data = text.encode("utf-8", "replace")
    write_atomically(path, lambda handle: handle.write(data))
    return failed


def _figure(hit: Hit, models: Registry, max_pixels: int | None) -> str:
    from PIL import Image

    from deepsic.picture import Picture

    file = DsicFile(hit.file.source(), max_pixels, models)
    picture = Image.fromarray(Picture(file.rgb, file.alpha).without_alpha("white").rgb)
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    label = hit.meaning.label
    words = f"perhaps {', '.join(hit.perhaps)}" if hit.perhaps else label.name
    return _FIGURE.format(
        src="data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode(),
        width=picture.width,
        height=picture.height,
        probability=f"{hit.probability:.0%}",
        label=html.escape(words),
        levels=html.escape(label.in_full()),
        path=html.escape(hit.file.path),
    )
