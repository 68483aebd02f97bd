"""Symbols as bits: a binary tree for each channel, its planes coded from the root down.

A symbol is coded as its residual r: its distance from what the channel has most
often, or from a prediction. The first plane asks of every symbol whether r is
other than zero, the second for its sign, and the others halve what remains of
the 64 levels, as the six bit planes of the binary tensor do (section III-B),
but by the channel's probability, not by its range. Zeros, four symbols in five,
take one question instead of six. No question is asked whose answer the range of
the channel already gives.

             r ≠ 0 ?                   plane 0
          no ╱    ╲ yes
            0     r > 0 ?              plane 1
              no ╱      ╲ yes
          r > -2 ?       r > 1 ?       plane 2
            …    -1      1    …        plane 3 …

The trees stand on ranks, which put the residuals into the order 0, -32 … -1,
1 … 31: every question is then whether the rank is above a threshold.
"""

from __future__ import annotations

import dataclasses

import numpy as np

LEVELS = 64
NODES = LEVELS - 1
# Residuals by rank, and the largest rank of a negative one.
RESIDUALS = np.concatenate([[0], np.arange(-32, 0), np.arange(1, 32)]).astype(np.int32)
LAST_NEGATIVE = 32
# Ranks by residual modulo 64.
RANKS = np.argsort(RESIDUALS % LEVELS).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Trees:
    """The trees of all channels.

    Nodes are numbered by planes, from the root, left to right within a plane.

    Attributes:
      threshold: int16 (channels, 63); a node asks whether rank > threshold.
      child: int16 (channels, 63, 2); the next node for answers no and yes, or
        -1 - rank where the answer settles the symbol.
      plane: int8 (channels, 63); depth of the node.
      low, high: int16 (channels, 63); the ranks still possible at the node.
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
    def planes(self) -> int:
        """How many planes the deepest tree has."""
        return int(self.plane.max()) + 1

    @classmethod
    def from_links(cls, threshold: np.ndarray, child: np.ndarray) -> Trees:
        """Trees from what their nodes ask and where they lead; the rest is derived.

        Raises:
          ValueError: if that is no set of trees.
        """
        channels = len(threshold)
        if threshold.shape != (channels, NODES) or child.shape != (channels, NODES, 2):
            raise ValueError("the trees have the wrong shape")
        links = np.sort(child.reshape(channels, -1), axis=1)
        expected = np.concatenate([np.arange(-LEVELS, 0), np.arange(1, NODES)])
        if (links != expected).any():
            raise ValueError("a tree does not reach every rank once")
        if (threshold[:, 0] != 0).any() or (threshold[:, 1] != LAST_NEGATIVE).any():
            raise ValueError("a tree does not ask for zero, then for the sign")
        low, high, plane = (np.zeros((channels, NODES), np.int16) for _ in range(3))
        high[:, 0] = LEVELS - 1
        rows = np.arange(channels)
        for number in range(NODES):
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
        return cls(
            threshold.astype(np.int16), child.astype(np.int16), plane.astype(np.int8), low, high
        )


def build_trees(counts: np.ndarray) -> Trees:
    """Trees that halve the probability of every channel's residuals beyond zero and sign.

    Args:
      counts: (channels, 64), how often each rank was seen in training.
    """
    channels = counts.shape[0]
    trees = Trees(
        threshold=np.zeros((channels, NODES), np.int16),
        child=np.zeros((channels, NODES, 2), np.int16),
        plane=np.zeros((channels, NODES), np.int8),
        low=np.zeros((channels, NODES), np.int16),
        high=np.zeros((channels, NODES), np.int16),
    )
    for c in range(channels):
        _build_tree(trees, c, counts[c].astype(np.float64))
    return trees


def _build_tree(trees: Trees, c: int, counts: np.ndarray) -> None:
    # Ranks never seen weigh little, and evenly: their part of the tree stays shallow.
    total = np.concatenate([[0.0], np.cumsum(counts + 1e-6 * counts.sum() + 1e-9)])
    queue = [(0, LEVELS - 1, 0, -1, 0)]
    for number in range(NODES):
        low, high, plane, parent, answer = queue[number]
        if number < 2:
            threshold = (0, LAST_NEGATIVE)[number]
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
        below zero, 0–32, and above it, 0–31; zero is always possible.

    Returns:
      root (channels,) and child (channels, 63, 2), in which a settled symbol
      is -1 - rank.
    """
    low = LAST_NEGATIVE + 1 - below
    high = LAST_NEGATIVE + above
    no = trees.threshold >= high[:, None]
    yes = trees.threshold < low[:, None]
    no[:, 0], yes[:, 0] = (below == 0) & (above == 0), False
    # Where each node leads without being asked, then each settled symbol, which stays: -1 - rank
    # counts from the end. Every look-up doubles how many nodes are passed over.
    own = np.concatenate([np.arange(NODES), np.arange(-LEVELS, 0)])
    target = np.tile(own, (trees.channels, 1))
    on = np.where(no, trees.child[..., 0], trees.child[..., 1])
    np.copyto(target[:, :NODES], on, where=no | yes)
    for _ in range(trees.planes.bit_length()):
        target = np.take_along_axis(target, target, axis=1)
    child = target[np.arange(trees.channels)[:, None, None], trees.child]
    return target[:, 0], child


@dataclasses.dataclass(frozen=True)
class Paths:
    """Which nodes a rank passes in its channel's tree, plane by plane.

    Attributes:
      node: int32 (channels, 64, planes), -1 below the leaf.
      bit: int32, the answer there.
    """

    node: np.ndarray
    bit: np.ndarray


def walk(trees: Trees) -> Paths:
    """Walks every rank of every channel down its tree."""
    shape = (trees.channels, LEVELS, trees.planes)
    node, bit = (np.full(shape, -1, np.int32) for _ in range(2))
    rows = np.arange(trees.channels)[:, None]
    ranks = np.arange(LEVELS)[None, :]
    at = np.zeros((trees.channels, LEVELS), np.int32)
    for plane in range(trees.planes):
        live = at >= 0
        safe = np.maximum(at, 0)
        answer = (ranks > trees.threshold[rows, safe]).astype(np.int32)
        node[..., plane] = np.where(live, at, -1)
        bit[..., plane] = np.where(live, answer, 0)
        at = np.where(live, trees.child[rows, safe, answer], at)
    return Paths(node, bit)
