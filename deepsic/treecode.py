"""The semantics of a file as bits: a path through a tree of meanings, standard library only.

Walk the tree from its root, each node before its children, and number the places where
a path may end: every node but those with a single child, through which a path always
goes on. Each subtree then holds a run of neighbouring numbers, so writing the number,
highest bit first, is choosing branches from the root on, each at the cost of its share
of the tree. Whoever reads the first bits only knows a run of numbers, and with it a node
above the one that is meant: a true, more general answer.

Numbers take ⌊log2 n⌋ bits or one more (a phased-in code, the Huffman code of n equal
weights that keeps their order). A Huffman code for the children of each node would round
every branch to whole bits: 14.8 instead of 10.5 for a class of ImageNet's.

A worked example: `thing` has the children `cat` and `dog`, and `dog` has `spaniel` and
`poodle`. The numbers are thing 0, cat 1, dog 2, spaniel 3, poodle 4; of 5 numbers the
first 8 - 5 = 3 take two bits, 00 01 10, and the others three, 110 and 111. After one bit,
1, it is a dog.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import NamedTuple

from deepsic.errors import CorruptFile

PROBABILITY_BITS = 7
THRESHOLD_BITS = 4
# More would not fit into a section.
MOST_ALTERNATIVES = 10


class NodeProbability(NamedTuple):
    """A node of a tree and the probability of all that is below it."""

    node: int
    probability: float


class Description(NamedTuple):
    """What a picture shows.

    Attributes:
      node: the most specific one whose probability reaches the threshold.
      probability: of that node, 0 to 1.
      threshold: that was asked for, 0 to 15/16.
      alternatives: the most probable classes besides, most probable first.
    """

    node: int
    probability: float
    threshold: float
    alternatives: tuple[NodeProbability, ...] = ()


def round_threshold(threshold: float) -> float:
    """The nearest threshold that a file can hold.

    Raises:
      ValueError: if it is not in [0, 1).
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"a threshold is at least 0 and less than 1, not {threshold}.")
    steps = 1 << THRESHOLD_BITS
    return min(steps - 1, round(threshold * steps)) / steps


class Bits:
    """Reads the bits of some bytes, highest first."""

    def __init__(self, data: bytes) -> None:
        self.left = 8 * len(data)
        self.value = int.from_bytes(data, "big")

    def take(self, count: int) -> int:
        """The next bits as a number; raises CorruptFile if there are not as many."""
        if count > self.left:
            raise CorruptFile("the label of the file is cut short.")
        self.left -= count
        taken = self.value >> self.left
        self.value &= (1 << self.left) - 1
        return taken


class Tree:
    """A tree of nodes 0, 1, … and the code of its paths.

    Args:
      parents: of every node; -1 for the only root.
      classes: nodes that are classes; all leaves are, whether named or not.

    Raises:
      ValueError: if that is no tree.
    """

    def __init__(self, parents: Sequence[int], classes: Collection[int] = ()) -> None:
        self.parents = parents
        self.children: list[list[int]] = [[] for _ in parents]
        roots: list[int] = []
        for node, parent in enumerate(parents):
            (roots if parent < 0 else self.children[parent]).append(node)
        if len(roots) != 1:
            raise ValueError(f"a tree has one root, not {len(roots)}.")
        self.root = roots[0]
        self._classes = frozenset(classes)
        # Of every node: the numbers of itself and all below, first and behind the last.
        self.first, self.stop = [0] * len(parents), [0] * len(parents)
        self.ends: list[int] = []
        self._number_nodes()

    def _number_nodes(self) -> None:
        order, stack = [], [self.root]
        while stack:
            node = stack.pop()
            order.append(node)
            self.first[node] = len(self.ends)
            if self.may_end(node):
                self.ends.append(node)
            stack += reversed(self.children[node])
        if len(order) != len(self.parents):
            raise ValueError("a tree has no circles.")
        for node in reversed(order):
            below = self.children[node]
            self.stop[node] = self.stop[below[-1]] if below else self.first[node] + 1

    def may_end(self, node: int) -> bool:
        """Whether a path may end at a node: always, but for an only child's parent."""
        return len(self.children[node]) != 1 or node in self._classes

    def path(self, node: int) -> list[int]:
        """The nodes from the root to one, both included."""
        path = [node]
        while self.parents[node] >= 0:
            node = self.parents[node]
            path.append(node)
        return path[::-1]

    @functools.cached_property
    def _code(self) -> tuple[int, int]:
        """How many bits the shorter numbers take, and how many numbers are short."""
        width = len(self.ends).bit_length() - 1
        return width, (2 << width) - len(self.ends)

    def code(self, node: int) -> tuple[int, int]:
        """The bits of a node's path, as a number, and how many there are."""
        if not self.may_end(node):
            raise ValueError(f"no path ends at node {node}, which has a single child.")
        number = self.first[node]
        width, short = self._code
        return (number, width) if number < short else (number + short, width + 1)

    def read(self, bits: Bits) -> int:
        """The node whose path is the next in some bits."""
        width, short = self._code
        number = bits.take(width)
        if number >= short:
            number = 2 * number + bits.take(1) - short
        return self.ends[number]

    def reached(self, section: bytes, count: int) -> int:
        """The node known after the first bits of a section: the one it means, or one above."""
        width, _ = self._code
        bits = Bits(section)
        count = min(count, width + 1)
        low = bits.take(count) << width + 1 - count
        high = low + (1 << width + 1 - count) - 1
        node, last = (self._end_of(low), self._end_of(high))
        while not self.first[node] <= self.first[last] < self.stop[node]:
            node = self.parents[node]
        return node

    def _end_of(self, value: int) -> int:
        """The node whose path begins `width + 1` bits."""
        _, short = self._code
        return self.ends[value >> 1 if value >> 1 < short else value - short]


def pack(tree: Tree, description: Description) -> bytes:
    """The section of a file that holds a description."""
    value, length = 0, 0

    def put(number: int, count: int) -> None:
        nonlocal value, length
        value, length = value << count | number, length + count

    put(*tree.code(description.node))
    put(_steps(description.probability), PROBABILITY_BITS)
    put(int(description.threshold * (1 << THRESHOLD_BITS)), THRESHOLD_BITS)
    for other in description.alternatives:
        put(1, 1)
        put(*tree.code(other.node))
        put(_steps(other.probability), PROBABILITY_BITS)
    size = -(-length // 8)
    return (value << 8 * size - length).to_bytes(size, "big")


def unpack(tree: Tree, section: bytes) -> Description:
    """The description that a section holds, probabilities in the middle of their steps.

    Raises:
      CorruptFile: if it holds none.
    """
    bits = Bits(section)
    node, probability = tree.read(bits), _read_probability(bits)
    threshold = bits.take(THRESHOLD_BITS) / (1 << THRESHOLD_BITS)
    alternatives = []
    while bits.left and bits.take(1):
        alternatives.append(NodeProbability(tree.read(bits), _read_probability(bits)))
    # The zero that ended the loop is one of at most seven.
    if bits.value or bits.left > 6:
        raise CorruptFile("the label of the file has something behind it.")
    return Description(node, probability, threshold, tuple(alternatives))


def _steps(probability: float) -> int:
    return min((1 << PROBABILITY_BITS) - 1, int(probability * (1 << PROBABILITY_BITS)))


def _read_probability(bits: Bits) -> float:
    return (bits.take(PROBABILITY_BITS) + 0.5) / (1 << PROBABILITY_BITS)
