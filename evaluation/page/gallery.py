"""Pictures for the page: the original beside every codec near the same rate (figure 5)."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deepsic import workers
from evaluation import metrics
from evaluation.cache import Cache, Key, source_digest
from evaluation.measure import Picture, Subject, codec_of, key_of, reference_of
from evaluation.references import JPEG, JPEG2000

# Figure 5's compressions by about 250 and 120 times, and a rate for use.
RATES = (0.1, 0.2, 0.5)
ARCHS = ("pre", "post")
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
        file = codec.compress(x)
        x_hat, label = codec.decompress(file)
        return file, x_hat, {"label": str(label)}
    reference = reference_of(subject)
    value, data = reference.nearest_rate(x, bpp)
    return data, reference.decode(data), {"setting": reference.setting(value)}


def middle(x: np.ndarray) -> np.ndarray:
    """The middle of a picture, no side longer than LARGEST_SIDE."""
    for axis in (0, 1):
        start = max(0, (x.shape[axis] - LARGEST_SIDE) // 2)
        x = x.take(range(start, min(start + LARGEST_SIDE, x.shape[axis])), axis)
    return x


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


def nearest(rows: Sequence[Mapping[str, Any]], arch: str, bpp: float) -> Mapping[str, Any] | None:
    """The model of an architecture whose rate is nearest to a rate; None without any.

    Args:
      rows: with curve, codec and bpp, a row for each model: of one picture, or of means.
      arch: `pre` or `post`.
      bpp: the rate.
    """
    mine = [m for m in rows if m["curve"] == f"DeepSIC {arch}"]
    return min(mine, key=lambda m: abs(math.log(m["bpp"] / bpp)), default=None)


def covers(model: Mapping[str, Any] | None, bpp: float) -> bool:
    """Whether a model is near enough to a rate to be shown for it."""
    return model is not None and abs(math.log(model["bpp"] / bpp)) <= math.log(FARTHEST)


def gaps(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, float], str]:
    """Sentences on the rates that no model covers, by architecture and rate; see `nearest`."""
    found = {}
    for arch in ARCHS:
        for bpp in RATES:
            model = nearest(rows, arch, bpp)
            if model is None:
                found[arch, bpp] = f"There is no {arch} model."
            elif not covers(model, bpp):
                near = f"the nearest, {model['codec']}, has {model['bpp']:.2f}"
                found[arch, bpp] = f"No {arch} model covers {bpp:g} bpp: {near}."
    return found


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
        picture and rate the model is shown that comes nearest to it there.
      cache: that tiles are kept in.
      jobs: processes.

    Returns:
      For each picture {"name", "cut", "height", "width", "rates": [{"bpp", "tiles":
      [tile or {"codec", "missing"}]}]}; a tile has codec, setting, bpp, figures,
      perhaps a label, and the picture as a URI.
    """
    by_name = {s.name: s for s in subjects}
    plan = functools.partial(_plan, by_name=by_name, rows=rows, folder=str(cache.folder))
    tasks = [t for p in pictures for t in plan(p, None)]
    _finish(tasks, cache, jobs, "models' pictures")
    # JPEG and JPEG 2000 go by the sizes that the models' files have turned out to have.
    more = [t for p in pictures for t in plan(p, cache)]
    _finish(more, cache, jobs, "references' pictures")
    return [_collect(p, plan, cache, gaps(_of(p, rows))) for p in pictures]


def _of(picture: Picture, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [r for r in rows if r["image"] == picture.name]


def _finish(tasks: Sequence[TileTask], cache: Cache, jobs: int, description: str) -> None:
    new = {t: None for t in tasks if cache.get(t.key) is None}
    with workers.progress(len(new), description) as bar:
        for _ in workers.run(list(new), work, jobs):
            bar.update(1)


def _plan(picture, cache: Cache | None, *, by_name, rows, folder) -> list[TileTask]:
    """All tiles of a picture; those of references only once the models' are in the cache."""
    tasks = [TileTask(picture, None, 0.0, folder)]
    for bpp in RATES:
        models = _models_at(picture, bpp, by_name, rows, folder)
        tasks += models
        if cache is not None:
            sizes = [cache.get(t.key)["bpp"] for t in models]
            target = float(np.mean(sizes)) if sizes else bpp
            tasks += [
                TileTask(picture, Subject.of_reference(r), target, folder) for r in (JPEG, JPEG2000)
            ]
    return tasks


def _models_at(picture, bpp: float, by_name, rows, folder) -> list[TileTask]:
    found = [nearest(_of(picture, rows), arch, bpp) for arch in ARCHS]
    names = [m["codec"] for m in found if m is not None and covers(m, bpp)]
    return [TileTask(picture, by_name[n], 0.0, folder) for n in names]


def _collect(picture: Picture, plan: Callable, cache: Cache, missing) -> dict[str, Any]:
    tasks = plan(picture, cache)
    original, rest = tasks[0], tasks[1:]
    rates = []
    for bpp in RATES:
        tiles = [_tile(original, cache)]
        for arch in ARCHS:
            if (arch, bpp) in missing:
                tiles.append({"codec": f"DeepSIC {arch}", "missing": missing[arch, bpp]})
            else:
                tiles.append(_tile(rest.pop(0), cache))
        tiles += [_tile(rest.pop(0), cache) for _ in (JPEG, JPEG2000)]
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
