"""The steps of models that come nearest to what is asked for (`deepsic.targets`).

The models of one arch make a ladder: the quantiser steps that each does best, model after
model. Features are computed once a model, and a few rungs are tried until the next one would be
too much.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from deepsic import container, distortion, store
from deepsic.codec import Analysis, Codec, Compressed
from deepsic.errors import ModelError, OutOfReach
from deepsic.folders import Folder
from deepsic.labels import THRESHOLD
from deepsic.picture import Picture, as_picture
from deepsic.targets import Target, choose_target

# A file this near below the bytes asked for is near enough.
NEAR = 0.99
# Of a picture that comes back exactly, dB: a search goes by differences, and infinity has none.
HIGHEST_PSNR = 150.0
# By how much rungs differ for each unit of their height, before a picture has told: a file's size,
# as a logarithm, and its PSNR, dB.
_GROWTH = {"bytes": 0.5, "psnr": 2.5}


class Rung(NamedTuple):
    """One step of one model.

    Attributes:
      folder, step: which.
      height: grows from rung to rung; within a model as ln λ1 does.
    """

    folder: Folder
    step: int
    height: float


@dataclasses.dataclass(frozen=True)
class Reached:
    """A file, and how it came about.

    Attributes:
      data: of the file.
      codec: of which model and step it is.
      short: a sentence that says what more was asked for than any model gives, or None.
    """

    data: Compressed
    codec: Codec
    short: str | None = None


class Ladder:
    """The steps that some models do best, from the lowest rate to the highest.

    Args:
      folders: of the models; of each, all its `best_steps` count.
      runtime: of their codecs, see `Codec`.

    Raises:
      ModelError: if there are none, or one does not tell its λ1.
    """

    def __init__(self, folders: Sequence[Folder], runtime: str = "auto") -> None:
        self._runtime = runtime
        self._codecs: dict[Any, Codec] = {}
        alone = {(folder.path, folder.arch): folder for folder in folders}.values()
        if not alone:
            raise ModelError("there is no model to choose from.")
        self.rungs: list[Rung] = []
        for folder in sorted(alone, key=lambda folder: folder.get_lambda1(folder.best_steps[0])):
            self._add(folder)

    def _add(self, folder: Folder) -> None:
        """Puts a model's steps on top, the first as far from the last rung as from the second."""
        steps = folder.best_steps
        logs = [math.log(folder.get_lambda1(step)) for step in steps]
        between = logs[min(1, len(logs) - 1)] - logs[0]
        foot = self.rungs[-1].height + between if self.rungs else 0.0
        for step, log in zip(steps, logs, strict=True):
            self.rungs.append(Rung(folder, step, foot + log - logs[0]))

    def codec(self, rung: int) -> Codec:
        """The model of a rung, at its step."""
        folder, step, _ = self.rungs[rung]
        if folder.path not in self._codecs:
            self._codecs[folder.path] = Codec(folder, runtime=self._runtime)
        return self._codecs[folder.path].at(step)

    def nearest(self, height: float) -> int:
        """The rung whose height is nearest."""
        return int(np.argmin([abs(rung.height - height) for rung in self.rungs]))

    def compress(
        self,
        x: Any,
        target: Target,
        threshold: float = THRESHOLD,
        topk: int = 0,
        effort: int | None = None,
    ) -> Reached:
        """A picture as the file that comes nearest to a target.

        Args:
          x, threshold, topk, effort: see `Codec.compress`.
          target: what is asked for.

        Raises:
          OutOfReach: if no file is so small.
          TypeError, ValueError, ModelError: see `Codec.compress`.
        """
        target.check()
        return _Search(self, as_picture(x), threshold, topk, effort).run(target)


class _Search:
    """The files of one picture on a ladder, each made once.

    Rungs are found with plain symbols; from there a few are tried with all effort.
    """

    def __init__(
        self, ladder: Ladder, picture: Picture, threshold: float, topk: int, effort: int | None
    ) -> None:
        self._ladder, self._picture = ladder, picture
        self._options, self._effort = (threshold, topk), effort
        self._analyses: dict[Any, Analysis] = {}
        self._files: dict[tuple[int, int | None], Compressed] = {}

    def file(self, rung: int, effort: int | None) -> Compressed:
        """The file of a rung."""
        if (rung, effort) not in self._files:
            codec, path = self._ladder.codec(rung), self._ladder.rungs[rung].folder.path
            if path not in self._analyses:
                self._analyses[path] = codec.analyse(self._picture, *self._options)
            self._files[rung, effort] = codec.encode(self._analyses[path], effort)
        return self._files[rung, effort]

    def size(self, rung: int, effort: int | None) -> int:
        """Bytes of a rung's file."""
        return len(self.file(rung, effort))

    def psnr(self, rung: int, effort: int | None) -> float:
        """Of the picture that a rung's file holds, dB."""
        pixels, _ = self._ladder.codec(rung).decompress(self.file(rung, effort))
        return min(distortion.psnr(self._picture.rgb, pixels[..., :3]), HIGHEST_PSNR)

    def run(self, target: Target) -> Reached:
        """See `Ladder.compress`."""
        rungs = self._ladder.rungs
        if target.kind == "quality":
            return self._reached(self._ladder.nearest(target.value / 100 * rungs[-1].height))
        if target.kind == "psnr":
            return self._smallest_of(target.value)
        pixels = self._picture.rgb.shape[0] * self._picture.rgb.shape[1]
        most = target.value * pixels / 8 if target.kind == "bpp" else target.value
        return self._largest_within(most, pixels)

    def _smallest_of(self, least: float) -> Reached:
        """The smallest file with at least so much PSNR."""
        top = len(self._ladder.rungs) - 1
        below = self._last(lambda rung: self.psnr(rung, 0), least, _GROWTH["psnr"])
        rung = min(below + 1, top)
        while rung > 0 and self.psnr(rung - 1, self._effort) >= least:
            rung -= 1
        while rung < top and self.psnr(rung, self._effort) < least:
            rung += 1
        psnr = self.psnr(rung, self._effort)
        short = None if psnr >= least else f"no model reaches {least:g} dB: {psnr:.2f} dB it is."
        return self._reached(rung, short)

    def _largest_within(self, most: float, pixels: int) -> Reached:
        """The largest file of at most so many bytes."""
        top = len(self._ladder.rungs) - 1
        near = -math.log(NEAR)
        rung = self._last(
            lambda rung: math.log(self.size(rung, 0)), math.log(most), _GROWTH["bytes"], near
        )
        while rung < top and self.size(rung + 1, self._effort) <= most:
            rung += 1
        while rung >= 0 and self.size(rung, self._effort) > most:
            rung -= 1
        size = self.size(max(rung, 0), self._effort)
        told = f"{size} bytes, {8 * size / pixels:.3f} bpp"
        if rung < 0:
            raise OutOfReach(f"the smallest file of this picture has {told}.")
        if rung == top and size < NEAR * most:
            return self._reached(rung, f"no model makes a larger file of this picture: {told}.")
        return self._reached(rung)

    def _last(
        self, measure: Callable[[int], float], most: float, growth: float, near: float = 0.0
    ) -> int:
        """The last rung that measures `most` or less, or one that does so nearly; else -1.

        Args:
          measure: grows with the rungs, about evenly with their height.
          most: what it may be.
          growth: of it, for each unit of height, until two rungs have told.
          near: a rung so little below is taken at once.
        """
        rungs = self._ladder.rungs
        low, high = -1, len(rungs)
        known: dict[int, float] = {}
        guess = len(rungs) // 2
        while high - low > 1:
            guess = min(max(guess, low + 1), high - 1)
            known[guess] = value = measure(guess)
            if value > most:
                high = guess
            else:
                low = guess
                if most - value < near:
                    break
            guess = self._interpolate(known, low, high, most, growth)
        return low

    def _interpolate(
        self, known: dict[int, float], low: int, high: int, most: float, growth: float
    ) -> int:
        rungs = self._ladder.rungs
        if low in known and high in known and known[high] > known[low]:
            between = rungs[high].height - rungs[low].height
            growth = (known[high] - known[low]) / max(between, 1e-9)
        start = low if low in known else high
        return self._ladder.nearest(rungs[start].height + (most - known[start]) / growth)

    def _reached(self, rung: int, short: str | None = None) -> Reached:
        data, codec = self.file(rung, self._effort), self._ladder.codec(rung)
        if data.label is None:  # of a post model, whose files are labelled from their symbols
            header, payload = container.unpack(data)
            q = codec.decode_symbols(header, payload)
            data.label = codec.get_label(header, q, *self._options)
        return Reached(data, codec, short)


@functools.lru_cache(maxsize=16)
def _load(model: str | None, arch: str | None) -> Codec:
    return Codec(store.choose(model, arch, has_target=False)[0])


@functools.lru_cache(maxsize=4)
def _ladder(model: str | None, arch: str | None) -> Ladder:
    return Ladder(store.choose(model, arch, has_target=True))


def compress(
    x: Any,
    *,
    bpp: float | None = None,
    max_bytes: int | None = None,
    psnr: float | None = None,
    quality: float | None = None,
    model: str | None = None,
    arch: str | None = None,
    threshold: float = THRESHOLD,
    topk: int = 0,
    keep_metadata: bool = True,
    effort: int | None = None,
) -> Compressed:
    """A picture as a file: of one model, or of the step of the shipped ones that meets a target.

    Args:
      bpp, max_bytes, psnr, quality: one of them at most, see `Target`. Where no model gives as
        much as is asked for, the file is the one that comes nearest.
      model: a shipped model's name or a folder; without a target the default one. With one, the
        steps of this model alone are tried.
      arch: of the shipped models to choose from, or of a folder that holds both.
      x, threshold, topk, keep_metadata, effort: see `Codec.compress`.

    Raises:
      OutOfReach: if no file is as small as is asked for.
      ValueError: if there are two targets, or a number is out of range.
      TypeError, ModelError: see `Codec.compress` and `store.find`.
    """
    picture = as_picture(x, keep_metadata)
    target = choose_target(bpp=bpp, max_bytes=max_bytes, psnr=psnr, quality=quality)
    named = None if model is None else str(model)
    if target is None:
        return _load(named, arch).compress(picture, threshold, topk, effort=effort)
    return _ladder(named, arch).compress(picture, target, threshold, topk, effort).data
