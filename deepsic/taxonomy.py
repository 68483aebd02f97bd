"""Names for the nodes of a tree, and which of them a picture is: no NumPy, no TensorFlow."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence

from deepsic.treecode import Description, NodeProbability, Tree, round_threshold

WORDNET = pathlib.Path(__file__).resolve().parent / "wordnet" / "imagenet.tsv"
IMAGENET_CLASSES = 1000
# What is above the classes of a set that says nothing of what they are kinds of.
ANYTHING = "anything"
# A node with more than this share of the classes below it says next to nothing: in
# ImageNet's tree entity, physical entity, object and whole.
VAGUE = 0.6
# Endings of plurals, and those of their singulars.
_ENDINGS = (("ies", ("y",)), ("ves", ("f", "fe")), ("es", ("",)), ("s", ("",)), ("men", ("man",)))
_IRREGULAR = {"people": "person", "mice": "mouse", "geese": "goose", "feet": "foot"}


class Taxonomy:
    """A tree whose nodes have ids and names.

    Args:
      ids: of the nodes, such as n02102040; classes come first.
      names: as people call them, such as English springer.
      parents: of every node; -1 for the root.
      classes: how many of the nodes are classes.

    Raises:
      ValueError: if that is no tree.
    """

    def __init__(
        self, ids: Sequence[str], names: Sequence[str], parents: Sequence[int], classes: int
    ) -> None:
        self.ids, self.names, self.classes = ids, names, classes
        self.tree = Tree(parents, range(classes))

    @classmethod
    def of(
        cls, classes: Sequence[str], names: Sequence[str], parents: dict[str, str] | None
    ) -> Taxonomy:
        """The tree of a set of classes.

        Args:
          classes: their ids.
          names: of the classes; groups are called by their ids.
          parents: from the id of a class or group to the group it is in; whoever is in
            none is right under the root.

        Raises:
          ValueError: if that is no tree.
        """
        above = parents or {}
        groups = [g for g in dict.fromkeys([*above, *above.values()]) if g not in set(classes)]
        ids = [*classes, *groups, ANYTHING]
        number = {node: i for i, node in enumerate(ids)}
        up = [number[above.get(node, ANYTHING)] for node in ids[:-1]]
        if len(number) != len(ids):
            raise ValueError(f"two classes have one name, or one is called {ANYTHING!r}.")
        return cls(ids, [*names, *groups, ANYTHING], [*up, -1], len(classes))

    def names_of(self, node: int) -> list[str]:
        """The names from the root to a node."""
        return [self.names[n] for n in self.tree.path(node)]

    @functools.cached_property
    def _nodes_by_word(self) -> dict[str, list[int]]:
        by_word: dict[str, list[int]] = {}
        for words in (self.ids, self.names):
            for node, word in enumerate(words):
                nodes = by_word.setdefault(_plain(word), [])
                if node not in nodes:
                    nodes.append(node)
        return by_word

    @functools.cached_property
    def _nodes_by_letters(self) -> dict[str, list[int]]:
        by_letters: dict[str, list[int]] = {}
        for word, nodes in self._nodes_by_word.items():
            by_letters.setdefault(_letters(word), []).extend(nodes)
        return by_letters

    def nodes_called(self, word: str) -> list[int]:
        """Nodes with an id or a name, whatever its case, its number, and its spaces.

        A name may have several meanings. Dogs are dogs, and a golfball is a golf ball.
        """
        forms = _singulars(_plain(word))
        for form in forms:
            if form in self._nodes_by_word:
                return self._nodes_by_word[form]
        for form in forms:
            if found := self._nodes_by_letters.get(_letters(form)):
                return list(dict.fromkeys(found))
        return []

    def is_vague(self, node: int) -> bool:
        """Whether a node says next to nothing, as most classes are below it."""
        return self._classes_below[node] > VAGUE * self._classes_below[self.tree.root]

    @functools.cached_property
    def _classes_below(self) -> list[int]:
        counts = [0] * len(self.ids)
        for leaf in range(self.classes):
            for node in self.tree.path(leaf):
                counts[node] += 1
        return counts

    def words_like(self, word: str) -> list[str]:
        """The known words nearest to one that is not known."""
        import difflib

        spelled = {_plain(known): known for known in (*self.ids, *self.names)}
        near = difflib.get_close_matches(_plain(word), spelled, n=5, cutoff=0.5)
        return [spelled[known] for known in near]

    def summarise(
        self,
        probabilities: Sequence[float],
        nodes: Sequence[int],
        threshold: float,
        alternatives: int = 0,
    ) -> Description:
        """What a picture shows: down from the root, to the likeliest child at each step.

        A node is as likely as all classes below it together; the walk ends where no child
        reaches the threshold.

        Args:
          probabilities: of some classes, that sum up to 1.
          nodes: those classes.
          threshold: at least 0, less than 1; rounded to 1/16.
          alternatives: how many of the most probable classes to name besides.
        """
        threshold = round_threshold(threshold)
        sums = [0.0] * len(self.ids)
        own = dict(zip(nodes, map(float, probabilities), strict=True))
        for leaf, probability in own.items():
            for node in self.tree.path(leaf):
                sums[node] += probability
        node = self.tree.root
        while self.tree.children[node]:
            best = max(self.tree.children[node], key=sums.__getitem__)
            if sums[best] < threshold or own.get(node, -1) > sums[best]:
                break
            node = best
        ranked = sorted((-p, n) for n, p in own.items() if n != node)
        others = tuple(NodeProbability(n, -p) for p, n in ranked[:alternatives])
        return Description(node, min(1.0, sums[node]), threshold, others)


def _plain(word: str) -> str:
    return " ".join(word.replace("_", " ").casefold().split())


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word))


def _singulars(word: str) -> list[str]:
    """A word, and what it may be the plural of."""
    *before, last = word.split(" ")
    forms = [last]
    if last in _IRREGULAR:
        forms.append(_IRREGULAR[last])
    for ending, singulars in _ENDINGS:
        if last.endswith(ending) and len(last) > len(ending) + 1:
            forms += [last.removesuffix(ending) + each for each in singulars]
    return [" ".join((*before, form)) for form in forms]


@functools.cache
def imagenet() -> Taxonomy:
    """ImageNet's classes, nodes 0 to 999 in the order of their synsets, under WordNet's nouns."""
    rows = [line.split("\t") for line in WORDNET.read_text(encoding="ascii").splitlines()]
    ids = [row[0] for row in rows]
    number = {synset: i for i, synset in enumerate(ids)}
    parents = [number[row[1]] if row[1] else -1 for row in rows]
    return Taxonomy(ids, [row[2] for row in rows], parents, IMAGENET_CLASSES)
