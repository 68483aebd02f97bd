"""What models say that pictures show (the paper's table I), with the controls it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from data.sources import Source
from deepsic import store
from deepsic.labels import Labels
from evaluation import calibration, classifier, workers
from evaluation.accuracy import Ratio, Share, right
from evaluation.cache import Cache, Key
from evaluation.classify import Record, Task, work
from evaluation.labelled import CHUNK, SIDE, chunks

HEAD, ORIGINAL = "head", "original pixels"
DECODED, JPEG_EQUAL, JPEG_SMALLEST = "decoded pictures", "JPEG at equal bpp", "JPEG at its smallest"
# By a larger factor JPEG's bpp are no longer called equal.
MOST_EXCESS = 1.05
COLUMNS = (
    "set",
    "model",
    "fingerprint",
    "arch",
    "who",
    "sees",
    "classes",
    "pictures",
    "bpp",
    "psnr_rgb",
    "top1",
    "top1_low",
    "top1_high",
    "top5",
    "top5_low",
    "top5_high",
    "control",
    "share",
    "share_low",
    "share_high",
)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model to measure.

    Attributes:
      name: in the tables.
      folder: of the model.
      fingerprint: of the model, as files name it.
      arch: `pre` or `post`.
      order: from the model's classes to the set's, -1 for others: int (classes,).
      networks: hash of the feature extractor: models with one hash share their codec.
    """

    name: str
    folder: str
    fingerprint: str
    arch: str
    order: np.ndarray
    networks: str

    @property
    def among(self) -> tuple[int, ...]:
        """Numbers of the set's classes among the model's, in the set's order."""
        known = {int(c): i for i, c in enumerate(self.order) if c >= 0}
        return tuple(known[c] for c in sorted(known))


@dataclasses.dataclass
class Measured:
    """Everything that was measured, by subject's name; originals under ORIGINAL.

    `set` is the labelled set's name, for the tables; `pixels` those of one picture, on average.
    """

    subjects: list[Subject]
    truth: np.ndarray
    records: dict[str, list[Record]]
    set: str = ""
    pixels: float = SIDE**2

    def joined(self, name: str, field: str, inner: str = "") -> np.ndarray:
        """One field of a subject's records, of all pictures."""
        parts = [r[field][inner] if inner else r[field] for r in self.records[name]]
        return np.concatenate([np.asarray(p) for p in parts])

    def mean(self, name: str, field: str) -> float:
        """The mean of one field of a subject, over pictures or chunks."""
        values = [r[field] for r in self.records[name]]
        return float(np.mean(np.concatenate([np.atleast_1d(v) for v in values])))


def open_subjects(
    models: Sequence[tuple[str, store.Folder]],
    classes: Sequence[str],
    report: Callable[[str], None],
) -> list[Subject]:
    """The models that know every class of a set; `report` gets a sentence for each other."""
    found = []
    for name, folder in models:
        known = folder.labels.classes
        missing = [c for c in classes if c not in known]
        if missing:
            report(f"skipped: {name} does not know {len(missing)} classes of the set.")
            continue
        numbers = {c: i for i, c in enumerate(classes)}
        order = np.array([numbers.get(c, -1) for c in known])
        found.append(
            Subject(
                name,
                folder.reference,
                folder.fingerprints[0].hex(),
                folder.config.arch,
                order,
                folder.checksums["codec/weights.npz"],
            )
        )
    return found


def find_classes(labels: Sequence[str]) -> tuple[tuple[int, ...], str]:
    """ImageNet's numbers of a set's classes, if the independent classifier can be used.

    Returns:
      The numbers, and "", or () and why it cannot be used.
    """
    numbers = Labels.of(list(labels)).imagenet
    if numbers is None:
        return (), f"the set's classes are not ImageNet's, so {classifier.NAME} cannot tell them."
    try:
        classifier.find_weights()
    except classifier.Missing as error:
        return (), str(error)
    return tuple(numbers), ""


def measure(
    source: Source,
    subjects: Sequence[Subject],
    classes: tuple[int, ...],
    cache: Cache,
    *,
    jobs: int,
    limit: int,
    report: Callable[[str], None],
    side: int = SIDE,
) -> Measured:
    """Sends every picture through every model; only what is not in the cache is done.

    Args:
      source: of labelled pictures.
      subjects: from `open_subjects`.
      classes: from `find_classes`.
      cache: that the records are kept in.
      jobs: processes.
      limit: how many pictures at most, 0 for all.
      report: gets a sentence for each picture that is skipped.
      side: of the squares that are cut; 0 for whole pictures as they are.
    """
    folders = [(s.name, s.folder, s.among) for s in subjects]
    folders += [(ORIGINAL, "", ())] if classes else []
    keys: dict[str, list[Key]] = {name: [] for name, *_ in folders}
    pixels = 0
    truth: list[np.ndarray] = []
    count = min(limit or source.count, source.count)

    def new(bar) -> Iterator[Task]:
        nonlocal pixels
        for chunk in chunks(source, limit, report, side):
            truth.append(chunk.truth)
            pixels += chunk.pixels
            for name, folder, among in folders:
                task = Task(chunk.x, chunk.digest, folder, classes, str(cache.folder), among)
                keys[name].append(task.key)
                if cache.get(task.key) is None:
                    yield task
                else:
                    bar.update(1)

    with workers.progress(-(-count // CHUNK) * len(folders), "semantics") as bar:
        for _ in workers.run(new(bar), work, jobs):
            bar.update(1)
    records = {name: [cache.get(key) for key in mine] for name, mine in keys.items()}
    known = np.concatenate(truth or [np.zeros(0, int)])
    return Measured(list(subjects), known, records, pixels=pixels / max(1, len(known)))


def answers(m: Measured, subject: Subject, field: str = "") -> np.ndarray:
    """A head's answers as classes of the set, best first: int (N, up to 5).

    Args:
      m: from `measure`.
      subject: the model.
      field: the features it saw, `float` or `dequantised`; its own if "".
    """
    return subject.order[m.joined(subject.name, field or _own(subject))]


def _own(subject: Subject) -> str:
    return "float" if subject.arch == "pre" else "dequantised"


def calibrations(m: Measured, classes: tuple[int, ...]) -> dict[str, tuple[float, list]]:
    """Expected calibration error, and the rows of `calibration.table`, by model.

    Args:
      m: from `measure`.
      classes: from `find_classes`; models and sets of other classes are left out.
    """
    found = {}
    for s in m.subjects:
        own = _own(s)
        if classes and all(f"{own}_labels" in r for r in m.records[s.name]):
            labels = m.joined(s.name, f"{own}_labels")
            confidence = m.joined(s.name, f"{own}_confidence")
            right_ones = answers(m, s)[:, 0] == m.truth
            truth = np.array(classes)[m.truth]
            rows = calibration.table(s.name, labels[:, 0].astype(int), labels[:, 1], truth)
            found[s.name] = calibration.expected_error(confidence, right_ones), rows
    return found


def table(m: Measured, classes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Every accuracy with its intervals: COLUMNS, each model's own first, then the controls."""
    rows = []
    for s in m.subjects:
        if len(s.among) < len(s.order):
            some = m.joined(s.name, f"{_own(s)}_some")
            rows.append(_row(m, s, HEAD, _sees(s), some, len(s.among)))
        rows.append(_row(m, s, HEAD, _sees(s), answers(m, s), len(s.order)))
    for s in m.subjects:
        other = "dequantised" if s.arch == "pre" else "float"
        sees = f"{other} features, which it was not trained on"
        rows.append(_row(m, s, HEAD, sees, answers(m, s, other), len(s.order), control=True))
        if classes:
            rows += _classifier_rows(m, s, classes)
    if classes:
        rows += [
            _row(m, None, classifier.NAME, ORIGINAL, found, among, bpp=24.0, control=True)
            for found, among in _both(m, ORIGINAL, "answers", classes)
        ]
        _add_shares(m, rows, classes)
    return [{k: v for k, v in row.items() if k != "right"} for row in rows]


def _add_shares(m: Measured, rows: list[dict[str, Any]], classes: tuple[int, ...]) -> None:
    """Top-1 as a share of the classifier's own on the original, from as many classes."""
    original = {
        among: found[:, 0] == m.truth for found, among in _both(m, ORIGINAL, "answers", classes)
    }
    for row in rows:
        if row["classes"] in original:
            ratio = Ratio.of(row["right"], original[row["classes"]])
            row |= {"share": ratio.value, "share_low": ratio.low, "share_high": ratio.high}


def _sees(subject: Subject) -> str:
    return "float features" if subject.arch == "pre" else "dequantised features"


def _both(m: Measured, name: str, field: str, classes: tuple[int, ...]):
    """The classifier's answers among the set's classes, then among all of its own, if more."""
    yield m.joined(name, field, "some"), len(classes)
    if len(classes) < classifier.CLASSES:
        order = np.full(classifier.CLASSES, -1)
        order[list(classes)] = np.arange(len(classes))
        yield order[m.joined(name, field, "all")], classifier.CLASSES


def _classifier_rows(m: Measured, s: Subject, classes: tuple[int, ...]) -> list[dict[str, Any]]:
    rows = []
    for field, sees in (("decoded", DECODED), ("jpeg", JPEG_EQUAL)):
        figures = {}
        if field == "jpeg":
            figures["bpp"] = _bpp(m, m.mean(s.name, "jpeg_bytes"))
            figures["psnr_rgb"] = m.mean(s.name, "jpeg_psnr_rgb")
            if jpeg_excess(m, s) > MOST_EXCESS:
                sees = JPEG_SMALLEST
        for found, among in _both(m, s.name, field, classes):
            rows.append(_row(m, s, classifier.NAME, sees, found, among, control=True, **figures))
    return rows


def jpeg_excess(m: Measured, subject: Subject) -> float:
    """By which factor the JPEGs beside a model are larger: they cannot be as small as one likes."""
    return m.mean(subject.name, "jpeg_bytes") / m.mean(subject.name, "bytes")


def _bpp(m: Measured, mean_bytes: float) -> float:
    return 8 * mean_bytes / m.pixels


def _row(m: Measured, s: Subject | None, who, sees, found, among, control=False, **figures):
    if s is not None:
        figures.setdefault("bpp", _bpp(m, m.mean(s.name, "bytes")))
        figures.setdefault("psnr_rgb", m.mean(s.name, "psnr_rgb"))
    row = {
        "set": m.set,
        "model": s.name if s else "",
        "fingerprint": s.fingerprint if s else "",
        "arch": s.arch if s else "",
        "who": who,
        "sees": sees,
        "classes": among,
        "pictures": len(m.truth),
        "control": "yes" if control else "no",
        "right": found[:, 0] == m.truth,
        **figures,
    }
    for count in (1, 5):
        share = Share.of(right(found, m.truth, count), len(m.truth))
        row |= {f"top{count}": share.value}
        row |= {f"top{count}_low": share.low, f"top{count}_high": share.high}
    return row


def trained_apart(m: Measured, subject: Subject) -> list[str]:
    """Models whose head was trained on the float features of a `post` model's own networks."""
    if subject.arch != "post":
        return []
    return [s.name for s in m.subjects if s.arch == "pre" and s.networks == subject.networks]
