"""What models say that pictures show (the paper's table I), with the controls it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from data.sources import Source
from deepsic import folders, workers
from deepsic.labels import Labels
from evaluation import classifier
from evaluation.cache import Cache, Key
from evaluation.classify import ChunkTask, Record, work
from evaluation.labelled import CHUNK, SIDE, chunks

ORIGINAL = "original pixels"


@dataclasses.dataclass(frozen=True)
class ModelUnderTest:
    """A model whose labels are measured.

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
    def own(self) -> str:
        """The features that its head was trained on: `float` or `dequantised`."""
        return "float" if self.arch == "pre" else "dequantised"

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

    subjects: list[ModelUnderTest]
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
    models: Sequence[tuple[str, folders.Folder]],
    classes: Sequence[str],
    report: Callable[[str], None],
) -> list[ModelUnderTest]:
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
            ModelUnderTest(
                name,
                folder.reference,
                folder.identity,
                folder.config.arch,
                order,
                f"{folder.checksums['codec/weights.npz']}@{folder.step}",
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
    subjects: Sequence[ModelUnderTest],
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

    def new(bar) -> Iterator[ChunkTask]:
        nonlocal pixels
        for chunk in chunks(source, limit, report, side):
            truth.append(chunk.truth)
            pixels += chunk.pixels
            for name, folder, among in folders:
                task = ChunkTask(chunk.x, chunk.digest, folder, classes, str(cache.folder), among)
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


def answers(m: Measured, subject: ModelUnderTest, field: str = "") -> np.ndarray:
    """A head's answers as classes of the set, best first: int (N, up to 5).

    Args:
      m: from `measure`.
      subject: the model.
      field: the features it saw, `float` or `dequantised`; its own if "".
    """
    return subject.order[m.joined(subject.name, field or subject.own)]


def trained_apart(m: Measured, subject: ModelUnderTest) -> list[str]:
    """Models whose head was trained on the float features of a `post` model's own networks."""
    if subject.arch != "post":
        return []
    return [s.name for s in m.subjects if s.arch == "pre" and s.networks == subject.networks]
