"""Classes of models, and what a label read from a file means: no NumPy, no TensorFlow."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from deepsic import taxonomy, treecode
from deepsic.container import Semantics
from deepsic.taxonomy import Taxonomy
from deepsic.treecode import Description

# A label is as specific as can be said with at least this probability; docs/labels.md has what
# that gives for pictures outside the classes.
THRESHOLD = 0.75
# How likely a class must be to be named besides the label.
SAID_BESIDES = 1 / 3
# What a picture shows if hardly anything can be said.
UNKNOWN = "unknown"
# Of a model's labels.json: names of classes and groups, and letters of one.
MOST_WORDS = 1 << 18
LONGEST_WORD = 1000


class Label(NamedTuple):
    """What a picture shows and how probably.

    Attributes:
      name: of the most specific thing that is probable enough; `UNKNOWN` if all that can be
        said is that it is some object.
      probability: of that, 0 to 1.
      levels: names from the most general to the most specific.
      alternatives: the likeliest classes besides.
    """

    name: str
    probability: float
    levels: tuple[str, ...] = ()
    alternatives: tuple[Label, ...] = ()

    def __str__(self) -> str:
        return self.name if self.name == UNKNOWN else f"{self.name} ({self.probability:.0%})"

    def in_short(self) -> str:
        """The label, and the likeliest class besides where that is likely enough to be said."""
        likely = [a for a in self.alternatives[:1] if a.probability >= SAID_BESIDES]
        return ", perhaps ".join(map(str, [self, *likely]))

    def in_full(self) -> str:
        """All levels, and the alternatives, for people."""
        path = f"{' > '.join(self.levels)} ({self.probability:.0%})"
        return "; or ".join([path, *map(str, self.alternatives)])


@dataclasses.dataclass(frozen=True)
class Labels:
    """The classes of a model.

    Attributes:
      classes: as the data set calls them, such as n02102040.
      names: as people do, such as English springer.
      imagenet: their numbers among ImageNet's sorted synsets; None if they are others.
      parents: from classes and groups to the groups that they are in; not for
        ImageNet's, which have WordNet's.
    """

    classes: list[str]
    names: list[str]
    imagenet: list[int] | None = None
    parents: dict[str, str] | None = None

    @classmethod
    def of(
        cls,
        classes: list[str],
        names: dict[str, str] | None = None,
        parents: dict[str, str] | None = None,
    ) -> Labels:
        """Labels of a data set's classes; synsets of ImageNet's get their names and tree.

        Args:
          classes: of the data set.
          names: of some of them.
          parents: of the classes and of the groups above them.
        """
        synsets = taxonomy.imagenet()
        known = {s: i for i, s in enumerate(synsets.ids[: synsets.classes])}
        if not (names or parents) and all(c in known for c in classes):
            numbers = [known[c] for c in classes]
            return cls(list(classes), [synsets.names[n] for n in numbers], numbers)
        return cls(list(classes), [(names or {}).get(c, c) for c in classes], None, parents)

    @classmethod
    def of_imagenet(cls) -> Labels:
        """All of ImageNet's thousand classes, in the order of their synsets."""
        return cls.of(list(taxonomy.imagenet().ids[: taxonomy.IMAGENET_CLASSES]))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Labels:
        """Labels from parsed JSON that anybody may have written.

        Raises:
          ValueError, TypeError: if they make no sense.
        """
        labels = cls(**values)
        numbers, parents = labels.imagenet, labels.parents or {}
        if not isinstance(parents, dict) or not isinstance(labels.classes, list):
            raise TypeError("classes and parents are of other kinds.")
        words = [*labels.classes, *labels.names, *parents, *parents.values()]
        if not labels.classes or len(labels.classes) != len(labels.names):
            raise ValueError("every class must have a name.")
        if len(words) > MOST_WORDS or not all(isinstance(w, str) and _is_plain(w) for w in words):
            raise ValueError("a name is no line of text, or there are too many.")
        if numbers is not None and not (
            len(numbers) == len(labels.classes)
            and all(type(n) is int and 0 <= n < taxonomy.IMAGENET_CLASSES for n in numbers)
        ):
            raise ValueError("the classes are not ImageNet's.")
        _ = labels.taxonomy  # complains of parents that make no tree
        return labels

    @functools.cached_property
    def taxonomy(self) -> Taxonomy:
        """The tree that the classes are in; raises ValueError if `parents` make none."""
        if self.imagenet is not None:
            return taxonomy.imagenet()
        return Taxonomy.of(self.classes, self.names, self.parents)

    def semantics(
        self, probabilities: Sequence[float], threshold: float = THRESHOLD, alternatives: int = 0
    ) -> Semantics:
        """What the head's answer puts into a file.

        Args:
          probabilities: of the classes, in their order.
          threshold: for how likely a node must be, see `Taxonomy.summarise`.
          alternatives: how many classes to name besides, at most 10.
        """
        is_imagenet = self.imagenet is not None
        nodes = self.imagenet if self.imagenet is not None else range(len(self.classes))
        found = self.taxonomy.summarise(probabilities, nodes, threshold, alternatives)
        return Semantics(treecode.pack(self.taxonomy.tree, found), is_imagenet)


def _is_plain(word: str) -> bool:
    """Whether a terminal shows it as it is: no control characters."""
    return word.isprintable() and 0 < len(word) <= LONGEST_WORD


def get_taxonomy(semantics: Semantics, labels: Labels | None) -> Taxonomy:
    """The tree in which a file's label is to be read.

    Args:
      semantics: from the file's header.
      labels: of its model; not needed where the tree is ImageNet's.
    """
    if semantics.imagenet:
        return taxonomy.imagenet()
    assert labels is not None, "the label is one of the model's own"
    return labels.taxonomy


def make_label(known: Taxonomy, found: Description) -> Label:
    """What a description says, in words."""
    others = tuple(Label(known.names[b.node], b.probability) for b in found.alternatives)
    levels = tuple(known.names_of(found.node))
    name = UNKNOWN if known.is_vague(found.node) else levels[-1]
    return Label(name, found.probability, levels, others)


def get_label(semantics: Semantics, labels: Labels | None) -> Label:
    """The label that a file carries; arguments as of `get_taxonomy`.

    Raises:
      CorruptFile: if it is damaged.
    """
    known = get_taxonomy(semantics, labels)
    return make_label(known, treecode.unpack(known.tree, semantics.section))
