"""Which files show something: a class, or any kind of a thing."""

from __future__ import annotations

from collections.abc import Callable
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


class Wanted(NamedTuple):
    """What a search is for: pictures that show one of some things, and none of some others.

    Attributes:
      words: ids or names, whatever their case; a name of several things means all of these.
      excluded: the same, of what is not meant.
    """

    words: tuple[str, ...]
    excluded: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = " or ".join(self.words)
        return f"{text}, not {' or '.join(self.excluded)}" if self.excluded else text

    def in_tree(self, known: Taxonomy) -> Callable[[int], bool]:
        """Whether a node of a tree, or a kind of it, is wanted."""
        targets = {node for word in self.words for node in known.nodes_called(word)}
        others = {node for word in self.excluded for node in known.nodes_called(word)}

        def is_wanted(node: int) -> bool:
            path = known.tree.path(node)
            return not targets.isdisjoint(path) and others.isdisjoint(path)

        return is_wanted


def check_words(wanted: Wanted, models: Registry) -> None:
    """Raises UnknownWord if neither ImageNet's tree nor any model's knows a word."""
    trees: list[Taxonomy] = [taxonomy.imagenet()]
    words = [*wanted.words, *wanted.excluded]
    unknown = [word for word in words if not trees[0].nodes_called(word)]
    if not unknown:
        return
    trees += [folder.labels.taxonomy for folder in models.folders]
    for word in unknown:
        if any(tree.nodes_called(word) for tree in trees):
            continue
        near = [name for tree in dict.fromkeys(trees) for name in tree.words_like(word)]
        hint = f"the nearest: {', '.join(dict.fromkeys(near))}." if near else "nothing is near it."
        raise UnknownWord(f"no label is called {word}; {hint}")


def search(archive: Archive, wanted: Wanted, min_probability: float = 0.0) -> list[Hit]:
    """Files that show a thing or a kind of it, most probable first.

    A file says so by its label, or else by its alternatives, whose probabilities add up.

    Args:
      archive: to search.
      wanted: what the files are to show.
      min_probability: of hits, 0 to 1.
    """
    hits = []
    for meaning, files in archive.groups:
        probability, perhaps = _probability(meaning, wanted.in_tree(meaning.taxonomy))
        if probability > 0 and probability >= min_probability:
            hits += [Hit(probability, file, meaning, perhaps) for file in files]
    return sorted(hits, key=lambda hit: (-hit.probability, hit.file.path))


def _probability(
    meaning: Meaning, is_wanted: Callable[[int], bool]
) -> tuple[float, tuple[str, ...]]:
    """How probable it is that something wanted is shown, and by which alternatives."""
    known, found = meaning.taxonomy, meaning.description
    if is_wanted(found.node):
        return found.probability, ()
    others: list[NodeProbability] = [b for b in found.alternatives if is_wanted(b.node)]
    names = tuple(f"{known.names[b.node]} ({b.probability:.0%})" for b in others)
    return min(1.0, sum(b.probability for b in others)), names
