"""Names of classes, without TensorFlow: what a label read from a file means."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import NamedTuple

from models.coding.container import Semantics

WORDNET = pathlib.Path(__file__).resolve().parent.parent / "data" / "wordnet" / "imagenet.tsv"
IMAGENET_CLASSES = 1000


class Label(NamedTuple):
    """A class and the belief in it."""

    name: str
    probability: float

    def __str__(self) -> str:
        return f"{self.name} ({self.probability:.0%})"


@functools.cache
def imagenet() -> dict[str, tuple[int, str]]:
    """From synset id to its number among the 1,000 classes and its name."""
    lines = WORDNET.read_text(encoding="ascii").splitlines()[:IMAGENET_CLASSES]
    fields = [line.split("\t") for line in lines]
    return {synset: (i, name) for i, (synset, _, name) in enumerate(fields)}


@dataclasses.dataclass(frozen=True)
class Labels:
    """The classes of a model.

    Attributes:
      classes: as the data set calls them, such as n02102040.
      names: as people do, such as English springer.
      imagenet: their numbers among ImageNet's sorted synsets; None if they are others.
    """

    classes: list[str]
    names: list[str]
    imagenet: list[int] | None = None

    @classmethod
    def of(cls, classes: list[str]) -> Labels:
        """Labels of a data set's classes; synsets of ImageNet's get their names."""
        known = imagenet()
        if all(c in known for c in classes):
            numbers, names = zip(*(known[c] for c in classes), strict=True)
            return cls(list(classes), list(names), list(numbers))
        return cls(list(classes), list(classes))


def label_of(semantics: Semantics, labels: Labels | None) -> Label:
    """The label that a file carries.

    Args:
      semantics: from the file's header.
      labels: of its model; not needed where ids are ImageNet's.
    """
    number = semantics.class_id
    if semantics.imagenet:
        names = [name for _, name in imagenet().values()]
    else:
        names = labels.names if labels else []
    name = names[number] if number < len(names) else f"class {number}"
    return Label(name, semantics.probability)
