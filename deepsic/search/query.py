"""Which files show something: a class, or any kind of a thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deepsic import taxonomy
from deepsic.registry import Registry
from deepsic.search.reading import Archive, Meaning
from deepsic.search.scan import Found
from deepsic.taxonomy import Taxonomy
from deepsic.treecode import NodeProbability

if TYPE_CHECKING:
    from deepsic.archives.query import Row


class UnknownWord(Exception):
    """No class and no group is called that; the message names the nearest words."""


class Hit(NamedTuple):
    """A file that shows what was asked for.

    Attributes:
      probability: that it does.
      file: where it is: a file, or a row of a Parquet archive.
      meaning: all that it says.
      perhaps: names of the alternatives that were meant, if it is not the label itself.
    """

    probability: float
    file: Found | Row
    meaning: Meaning
    perhaps: tuple[str, ...] = ()

    def __str__(self) -> str:
        label = str(self.meaning.label)
        if not self.perhaps:
            return f"{self.file.path}: {label}"
        return f"{self.file.path}: perhaps {', '.join(self.perhaps)}; {label}"


def check_word(word: str, models: Registry) -> None:
    """Raises UnknownWord if neither ImageNet's tree nor any model's knows a word."""
    trees: list[Taxonomy] = [taxonomy.imagenet()]
    if trees[0].nodes_called(word):
        return
    trees += [folder.labels.taxonomy for folder in models.folders]
    if any(tree.nodes_called(word) for tree in trees):
        return
    near = [name for tree in dict.fromkeys(trees) for name in tree.words_like(word)]
    hint = f"the nearest: {', '.join(dict.fromkeys(near))}." if near else "nothing is near it."
    raise UnknownWord(f"no label is called {word}; {hint}")


def search(archive: Archive, word: str, min_probability: float = 0.0) -> list[Hit]:
    """Files that show a thing or a kind of it, most probable first.

    A file says so by its label, or else by its alternatives, whose probabilities add up.

    Args:
      archive: to search.
      word: an id or a name, whatever its case; a name of several things means all.
      min_probability: of hits, 0 to 1.
    """
    hits = []
    for meaning, files in archive.groups:
        probability, perhaps = _probability(meaning, set(meaning.taxonomy.nodes_called(word)))
        if probability > 0 and probability >= min_probability:
            hits += [Hit(probability, file, meaning, perhaps) for file in files]
    return sorted(hits, key=lambda hit: (-hit.probability, hit.file.path))


def _probability(meaning: Meaning, targets: set[int]) -> tuple[float, tuple[str, ...]]:
    """How probable it is that one of some nodes is shown, and by which alternatives."""
    known, found = meaning.taxonomy, meaning.description

    def is_meant(node: int) -> bool:
        return not targets.isdisjoint(known.tree.path(node))

    if is_meant(found.node):
        return found.probability, ()
    others: list[NodeProbability] = [b for b in found.alternatives if is_meant(b.node)]
    names = tuple(f"{known.names[b.node]} ({b.probability:.0%})" for b in others)
    return min(1.0, sum(b.probability for b in others)), names
