"""Rate and distortion of models and reference codecs on a set of pictures (figures 6 and 7)."""

from __future__ import annotations

import collections
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deepsic import images, workers
from evaluation import tables
from evaluation.cache import Cache, digest
from evaluation.measure import Picture, PictureTask, Row, Subject, key_of, work
from evaluation.metrics import METRICS

FIGURES = ("bpp", *METRICS, "encode_s", "decode_s")
COLUMNS = (
    "image",
    "curve",
    "codec",
    "setting",
    "bytes",
    *FIGURES,
    "jobs",
    "label",
    "probability",
)
SUMMARY = ("curve", "codec", "setting", "images", *FIGURES)


def open_pictures(paths: Sequence[str], report: Callable[[str], None]) -> list[Picture]:
    """Reads every picture once.

    Args:
      paths: of files; the pictures are named by what their paths do not share.
      report: gets a sentence for each file that is no picture, and is left out.
    """
    found = []
    root = os.path.commonpath([os.path.dirname(os.path.abspath(p)) for p in paths])
    for path in paths:
        try:
            x = images.read_image(path, warn=report)
        except images.BadImage as error:
            report(f"skipped: {error}")
            continue
        name = pathlib.Path(os.path.relpath(os.path.abspath(path), root)).as_posix()
        found.append(Picture(name, str(path), digest(x), *x.shape[:2]))
    return found


def measure(
    pictures: Sequence[Picture],
    subjects: Sequence[Subject],
    cache: Cache,
    jobs: int,
    report: Callable[[str], None],
) -> list[Row]:
    """The rows of every picture and subject; only those not in the cache are measured.

    Args:
      pictures: to measure on.
      subjects: models and references.
      cache: that the rows are kept in.
      jobs: processes.
      report: gets a sentence for each point that could not be measured.

    Returns:
      Rows with COLUMNS, by picture, subject and setting, in the order given.
    """
    tasks = []
    for picture in pictures:
        for subject in subjects:
            new = [s for s in subject.settings if cache.get(key_of(subject, s, picture)) is None]
            if new:
                tasks.append(PictureTask(picture, subject, tuple(new), str(cache.folder), jobs))
    points = sum(len(t.settings) for t in tasks)
    with workers.progress(points, "rate and distortion") as bar:
        for task, troubles in workers.run(tasks, work, jobs):
            bar.update(len(task.settings))
            for sentence in troubles:
                report(sentence)
    return collect(pictures, subjects, cache)


def collect(pictures: Sequence[Picture], subjects: Sequence[Subject], cache: Cache) -> list[Row]:
    """The rows that are in the cache, in the order of `measure`."""
    rows = []
    for picture in pictures:
        for subject in subjects:
            for setting in subject.settings:
                row = cache.get(key_of(subject, setting, picture))
                if row is not None:
                    names = {"curve": subject.curve, "codec": subject.name, "setting": setting}
                    rows.append({"image": picture.name, **names, **row})
    return rows


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Means over pictures, a row for each codec and setting.

    The mean of PSNR is that of the pictures' PSNRs, in dB; of MS-SSIM, that of
    the pictures it is defined for.
    """
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["curve"], row["codec"], row["setting"]].append(row)
    means = []
    for (curve, codec, setting), mine in groups.items():
        mean = {f: _mean([row[f] for row in mine]) for f in FIGURES}
        names = {"curve": curve, "codec": codec, "setting": setting}
        means.append({**names, "images": len(mine), **mean})
    return means


def _mean(values: list[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def write(out: pathlib.Path, rows: Sequence[Row], means: Sequence[Row]) -> None:
    """rd.csv and summary.csv."""
    tables.write_csv(out / "rd.csv", COLUMNS, rows)
    tables.write_csv(out / "summary.csv", SUMMARY, means)


HEADS = ("codec", "setting", "bpp", "PSNR", "luma", "MS-SSIM", "luma", "enc s", "dec s")


def lines(means: Sequence[Row]) -> list[list[str]]:
    """The means for people, under HEADS."""
    forms = (".3f", ".2f", ".2f", ".4f", ".4f", ".2f", ".2f")
    return [
        [
            m["codec"],
            m["setting"].split()[0],
            *(tables.shown(m[f], s) for f, s in zip(FIGURES, forms, strict=True)),
        ]
        for m in means
    ]
