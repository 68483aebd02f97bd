"""Symbols as bits: a binary tree for each channel, its planes coded from the root down.

A symbol is coded as its residual r: its distance from what the channel has most
often, or from a prediction. The first plane asks of every symbol whether r is
other than zero, the second for its sign, and the others halve what remains of
the 2**B levels, as the B bit planes of the binary tensor do (section III-B),
but by the channel's probability, not by its range. Zeros, four symbols in five,
take one question instead of six. No question is asked whose answer the range of
the channel already gives.

             r ≠ 0 ?                   plane 0
          no ╱    ╲ yes
            0     r > 0 ?              plane 1
              no ╱      ╲ yes
          r > -2 ?       r > 1 ?       plane 2
            …    -1      1    …        plane 3 …

The trees stand on ranks, which put the residuals into an order, for 64 levels 0, -32 … -1,
1 … 31: every question is then whether the rank is above a threshold.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

# Of a quantiser, B of eq. 1: two levels have no sign to ask for, more than 256 no byte.
LEAST_BITS, MOST_BITS = 2, 8


@functools.cache
def residuals(levels: int) -> np.ndarray:
    """Residuals by rank, int32 (levels,)."""
    half = levels // 2
    found = np.concatenate([[0], np.arange(-half, 0), np.arange(1, half)]).astype(np.int32)
    found.setflags(write=False)
    return found


@functools.cache
def ranks(levels: int) -> np.ndarray:
    """Ranks by residual modulo `levels`, int32 (levels,)."""
    found = np.argsort(residuals(levels) % levels).astype(np.int32)
    found.setflags(write=False)
    return found


@dataclasses.dataclass(frozen=True)
class Trees:
    """The trees of all channels.

    Nodes are numbered by planes, from the root, left to right within a plane.

    Attributes:
      threshold: int16 (channels, nodes); a node asks whether rank > threshold.
      child: int16 (channels, nodes, 2); the next node for answers no and yes, or
        -1 - rank where the answer settles the symbol.
      plane: int16 (channels, nodes); depth of the node.
      low, high: int16 (channels, nodes); the ranks still possible at the node.
    """

    threshold: np.ndarray
    child: np.ndarray
    plane: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def channels(self) -> int:
        """How many channels have a tree."""
        return self.threshold.shape[0]

    @property
    def nodes(self) -> int:
        """How many questions each tree has: one less than there are levels."""
        return self.threshold.shape[1]

    @property
    def levels(self) -> int:
        """How many levels a symbol has: 2**B."""
        return self.nodes + 1

    @property
    def last_negative(self) -> int:
        """The largest rank of a negative residual."""
        return self.levels // 2

    @property
    def planes(self) -> int:
        """How many planes the deepest tree has."""
        return int(self.plane.max()) + 1

    @classmethod
    def from_links(cls, threshold: np.ndarray, child: np.ndarray) -> Trees:
        """Trees from what their nodes ask and where they lead; the remainder is derived.

        Raises:
          ValueError: if that is no set of trees.
        """
        channels, nodes = threshold.shape
        levels = nodes + 1
        if levels not in (1 << b for b in range(LEAST_BITS, MOST_BITS + 1)):
            raise ValueError("the trees are of no quantiser that is known")
        if child.shape != (channels, nodes, 2):
            raise ValueError("the trees have the wrong shape")
        links = np.sort(child.reshape(channels, -1), axis=1)
        expected = np.concatenate([np.arange(-levels, 0), np.arange(1, nodes)])
        if (links != expected).any():
            raise ValueError("a tree does not reach every rank once")
        if (threshold[:, 0] != 0).any() or (threshold[:, 1] != levels // 2).any():
            raise ValueError("a tree does not ask for zero, then for the sign")
        low, high, plane = (np.zeros((channels, nodes), np.int16) for _ in range(3))
        high[:, 0] = nodes
        rows = np.arange(channels)
        for number in range(nodes):
            cut = threshold[:, number]
            if (cut < low[:, number]).any() or (cut >= high[:, number]).any():
                raise ValueError("a tree asks what it knows already")
            ends = ((low[:, number], cut), (cut + 1, high[:, number]))
            for side, (a, b) in enumerate(ends):
                to = child[:, number, side]
                if (np.where(to < 0, (a != b) | (to != -1 - a), to <= number)).any():
                    raise ValueError("a tree is damaged")
                inner = to >= 0
                low[rows[inner], to[inner]] = a[inner]
                high[rows[inner], to[inner]] = b[inner]
                plane[rows[inner], to[inner]] = plane[inner, number] + 1
        return cls(threshold.astype(np.int16), child.astype(np.int16), plane, low, high)


def build_trees(counts: np.ndarray) -> Trees:
    """Trees that halve the probability of every channel's residuals beyond zero and sign.

    Args:
      counts: (channels, levels), how often each rank was seen in training.
    """
    shape = counts.shape[0], counts.shape[1] - 1
    trees = Trees(
        threshold=np.zeros(shape, np.int16),
        child=np.zeros((*shape, 2), np.int16),
        plane=np.zeros(shape, np.int16),
        low=np.zeros(shape, np.int16),
        high=np.zeros(shape, np.int16),
    )
    for c in range(trees.channels):
        _build_tree(trees, c, counts[c].astype(np.float64))
    return trees


def _build_tree(trees: Trees, c: int, counts: np.ndarray) -> None:
    # Ranks never seen weigh little, and evenly: their part of the tree stays shallow.
    total = np.concatenate([[0.0], np.cumsum(counts + 1e-6 * counts.sum() + 1e-9)])
    queue = [(0, trees.nodes, 0, -1, 0)]
    for number in range(trees.nodes):
        low, high, plane, parent, answer = queue[number]
        if number < 2:
            threshold = (0, trees.last_negative)[number]
        else:
            middle = (total[low] + total[high + 1]) / 2
            cuts = total[low + 1 : high + 1]  # mass up to and with rank low, low + 1, …
            threshold = low + int(np.argmin(np.abs(cuts - middle)))
        trees.threshold[c, number] = threshold
        trees.plane[c, number] = plane
        trees.low[c, number], trees.high[c, number] = low, high
        if parent >= 0:
            trees.child[c, parent, answer] = number
        for side, (a, b) in enumerate(((low, threshold), (threshold + 1, high))):
            if a == b:
                trees.child[c, number, side] = -1 - a
            else:
                queue.append((a, b, plane + 1, number, side))


def clip_trees(trees: Trees, below: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leaves out the questions whose answers follow from each channel's range.

    Args:
      trees: of all channels.
      below, above: int (channels,), how far the residuals of this picture go
        below zero, 0 to half the levels, and above it, to one less; zero is always possible.

    Returns:
      root (channels,) and child (channels, nodes, 2), in which a settled symbol
      is -1 - rank.
    """
    low = trees.last_negative + 1 - below
    high = trees.last_negative + above
    no = trees.threshold >= high[:, None]
    yes = trees.threshold < low[:, None]
    no[:, 0], yes[:, 0] = (below == 0) & (above == 0), False
    # Where each node leads without being asked, then each settled symbol, which stays: -1 - rank
    # counts from the end. Every look-up doubles how many nodes are passed over.
    own = np.concatenate([np.arange(trees.nodes), np.arange(-trees.levels, 0)])
    target = np.tile(own, (trees.channels, 1))
    on = np.where(no, trees.child[..., 0], trees.child[..., 1])
    np.copyto(target[:, : trees.nodes], on, where=no | yes)
    for _ in range(trees.planes.bit_length()):
        target = np.take_along_axis(target, target, axis=1)
    child = target[np.arange(trees.channels)[:, None, None], trees.child]
    return target[:, 0], child


@dataclasses.dataclass(frozen=True)
class Paths:
    """Which nodes a rank passes in its channel's tree, plane by plane.

    Attributes:
      node: int32 (channels, levels, planes), -1 below the leaf.
      bit: int32, the answer there.
    """

    node: np.ndarray
    bit: np.ndarray


def walk(trees: Trees) -> Paths:
    """Walks every rank of every channel down its tree."""
    shape = (trees.channels, trees.levels, trees.planes)
    node, bit = (np.full(shape, -1, np.int32) for _ in range(2))
    rows = np.arange(trees.channels)[:, None]
    ranks = np.arange(trees.levels)[None, :]
    at = np.zeros((trees.channels, trees.levels), np.int32)
    for plane in range(trees.planes):
        live = at >= 0
        safe = np.maximum(at, 0)
        answer = (ranks > trees.threshold[rows, safe]).astype(np.int32)
        node[..., plane] = np.where(live, at, -1)
        bit[..., plane] = np.where(live, answer, 0)
        at = np.where(live, trees.child[rows, safe, answer], at)
    return Paths(node, bit)
