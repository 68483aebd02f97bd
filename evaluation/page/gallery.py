"""Pictures for the page: the original beside every codec near the same rate (figure 5)."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepsic import workers
from evaluation import metrics
from evaluation.cache import Cache, Key, source_digest
from evaluation.measure import OURS, Picture, Subject, codec_of, key_of, reference_of
from evaluation.references import AVIF, JPEG, JPEG2000, WEBP

# Figure 5's compressions by about 250 and 120 times, and a rate for use.
RATES = (0.1, 0.2, 0.5)
# Beside the models, where this Pillow has them.
REFERENCES = (JPEG, JPEG2000, WEBP, AVIF)
# A model further from a rate than by this factor does not cover it.
FARTHEST = 1.4
# Of larger pictures the page shows the middle.
LARGEST_SIDE = 768
PICTURES = 3

Tile = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class TileTask:
    """A picture to show as a codec leaves it, or with `subject` None as it is.

    Attributes:
      picture: the original.
      subject: a model or reference.
      bpp: that a reference has to come near to; 0 for models.
      cache: folder.
    """

    picture: Picture
    subject: Subject | None
    bpp: float
    cache: str

    @property
    def key(self) -> Key:
        """All that decides the tile."""
        here = source_digest("evaluation/page/gallery.py")
        common = {"what": "tile", "shown": here, "bpp": round(self.bpp, 4)}
        if self.subject is None:
            return {**common, "picture": self.picture.digest}
        return {**key_of(self.subject, self.subject.settings[0], self.picture), **common}


def work(task: TileTask) -> None:
    """Makes a tile into the cache; raises images.BadImage if the picture is no longer there."""
    x = task.picture.read()
    tile: Tile = {"bpp": 24.0}
    shown = x
    if task.subject is not None:
        data, shown, tile = _send(task.subject, x, task.bpp)
        tile["bpp"] = 8 * len(data) / (x.shape[0] * x.shape[1])
        tile |= metrics.measure(x, shown)
    tile["uri"] = data_uri(middle(shown))
    Cache(pathlib.Path(task.cache)).put(task.key, tile)


def _send(subject: Subject, x: np.ndarray, bpp: float) -> tuple[bytes, np.ndarray, Tile]:
    if subject.folder:
        codec = codec_of(subject.folder)
        file = codec.compress(x, effort=subject.effort)
        x_hat, label = codec.decompress(file)
        return file, x_hat, {"label": str(label)}
    reference = reference_of(subject)
    value, data = reference.nearest_rate(x, bpp)
    return data, reference.decode(data), {"setting": reference.setting(value)}


def middle(x: np.ndarray, longest: int = LARGEST_SIDE) -> np.ndarray:
    """The middle of a picture, no side longer than `longest` pixels."""
    top, left = (max(0, side - longest) // 2 for side in x.shape[:2])
    return x[top : top + longest, left : left + longest]


def data_uri(x: np.ndarray) -> str:
    """A picture, uint8 (H, W, 3), for an HTML page, without loss."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(x).save(out, "WEBP", lossless=True, method=3)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def choose(pictures: Sequence[Picture], names: Sequence[str]) -> list[Picture]:
    """Pictures by their names without extension, or a few spread evenly over all.

    Raises:
      ValueError: if there is no such picture.
    """
    if not names:
        count = min(PICTURES, len(pictures))
        return [pictures[(2 * i + 1) * len(pictures) // (2 * count)] for i in range(count)]
    stems = {pathlib.Path(p.name).stem: p for p in pictures}
    missing = [n for n in names if n not in stems]
    if missing:
        raise ValueError(f"--show={missing[0]} is none of the pictures.")
    return [stems[n] for n in names]


def our_curves(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the models' curves."""
    return list(dict.fromkeys(r["curve"] for r in rows if r["curve"].startswith(OURS)))


def nearest(rows: Sequence[Mapping[str, Any]], curve: str, bpp: float) -> Mapping[str, Any] | None:
    """The model of a curve whose rate is nearest to a rate; None without any.

    Args:
      rows: with curve, codec and bpp, a row for each model: of one picture, or of means.
      curve: its name.
      bpp: the rate.
    """
    mine = [m for m in rows if m["curve"] == curve]
    return min(mine, key=lambda m: abs(math.log(m["bpp"] / bpp)), default=None)


def covers(model: Mapping[str, Any] | None, bpp: float) -> bool:
    """Whether a model is near enough to a rate to be shown for it without a remark."""
    return model is not None and abs(math.log(model["bpp"] / bpp)) <= math.log(FARTHEST)


def choose_rates(rows: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    """Those of `RATES` that a model is near to on average, or else the models' own."""
    sums: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["curve"].startswith(OURS):
            sums.setdefault((row["curve"], row["codec"]), []).append(row["bpp"])
    means = [{"bpp": sum(each) / len(each)} for each in sums.values()]
    found = tuple(bpp for bpp in RATES if any(covers(model, bpp) for model in means))
    own = sorted({float(f"{model['bpp']:.2g}") for model in means})
    return found or tuple(own[:: max(1, len(own) // len(RATES))][: len(RATES)]) or RATES


def make(
    pictures: Sequence[Picture],
    subjects: Sequence[Subject],
    rows: Sequence[Mapping[str, Any]],
    cache: Cache,
    jobs: int,
) -> list[dict[str, Any]]:
    """Tiles for the page: those not in the cache are made.

    Args:
      pictures: from `choose`.
      subjects: the models.
      rows: of the pictures, as `rate_distortion.measure` returns them: for each
        picture and rate the model of each curve is shown that comes nearest to it there.
      cache: that tiles are kept in.
      jobs: processes.

    Returns:
      For each picture {"name", "cut", "height", "width", "rates": [{"bpp", "tiles":
      [tile or {"codec", "missing"}]}]}; a tile has codec, setting, bpp, figures,
      perhaps a label and a note, and the picture as a URI. The first is the original.
    """
    by_name = {s.name: s for s in subjects}
    plan = functools.partial(_plan, by_name=by_name, rows=rows, folder=str(cache.folder))
    tasks = [t for p in pictures for t in plan(p, None)]
    _finish(tasks, cache, jobs, "models' pictures")
    # The references go by the sizes that the models' files have turned out to have.
    more = [t for p in pictures for t in plan(p, cache)]
    _finish(more, cache, jobs, "references' pictures")
    return [_collect(p, plan(p, cache), cache, rows) for p in pictures]


def _of(picture: Picture, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [r for r in rows if r["image"] == picture.name]


def _finish(tasks: Sequence[TileTask], cache: Cache, jobs: int, description: str) -> None:
    new = {t: None for t in tasks if cache.get(t.key) is None}
    with workers.progress(len(new), description) as bar:
        for _ in workers.run(list(new), work, jobs):
            bar.update(1)


def _references() -> list[Subject]:
    return [Subject.of_reference(r) for r in REFERENCES if r.available]


def _plan(picture, cache: Cache | None, *, by_name, rows, folder) -> list[TileTask]:
    """All tiles of a picture; those of references only once the models' are in the cache."""
    tasks = [TileTask(picture, None, 0.0, folder)]
    for bpp in choose_rates(rows):
        models = _models_at(picture, bpp, by_name, rows, folder)
        tasks += models
        if cache is not None:
            sizes = [cache.get(t.key)["bpp"] for t in models]
            target = float(np.mean(sizes)) if sizes else bpp
            tasks += [TileTask(picture, subject, target, folder) for subject in _references()]
    return tasks


def _models_at(picture, bpp: float, by_name, rows, folder) -> list[TileTask]:
    found = [nearest(_of(picture, rows), curve, bpp) for curve in our_curves(rows)]
    return [TileTask(picture, by_name[m["codec"]], 0.0, folder) for m in found if m is not None]


def _collect(picture: Picture, tasks: Sequence[TileTask], cache: Cache, rows) -> dict[str, Any]:
    original, rest = tasks[0], list(tasks[1:])
    rates = []
    for bpp in choose_rates(rows):
        tiles = [_tile(original, cache)]
        for curve in our_curves(rows):
            model = nearest(_of(picture, rows), curve, bpp)
            if model is None:
                tiles.append({"codec": curve, "missing": f"{curve} has no file of this picture."})
                continue
            tiles.append(_tile(rest.pop(0), cache) | {"ours": True})
            if not covers(model, bpp):
                tiles[-1]["note"] = f"No model of this kind is nearer to {bpp:g} bpp."
        tiles += [_tile(rest.pop(0), cache) for _ in _references()]
        rates.append({"bpp": bpp, "tiles": tiles})
    return {
        "name": pathlib.Path(picture.name).stem,
        "cut": max(picture.height, picture.width) > LARGEST_SIDE,
        "height": min(picture.height, LARGEST_SIDE),
        "width": min(picture.width, LARGEST_SIDE),
        "rates": rates,
    }


def _tile(task: TileTask, cache: Cache) -> Tile:
    """From the cache, with the names that belong to this run."""
    tile = dict(cache.get(task.key))
    if task.subject is None:
        return tile | {"codec": "original"}
    names = {"setting": task.subject.name} if task.subject.folder else {}
    return tile | {"codec": task.subject.curve} | names
