"""Symbols as bits: a binary tree for each channel, its planes coded from the root down.

The first plane asks of every symbol whether it lies in the upper half, the
second in which half of that half, and so on, as the six bit planes of the
binary tensor do (section III-B). Halves are of the channel's probability, not
of its range: the 64 levels of a channel that is nearly always zero need two
questions for a zero instead of six. No question is asked whose answer the
range of the channel already gives.

       r > -1 ?                      plane 0
      no ╱    ╲ yes
   r > -2 ?   r > 0 ?                plane 1
    …    -1    0    …                plane 2 …
"""

from __future__ import annotations

import dataclasses

import numpy as np

LEVELS = 64
NODES = LEVELS - 1


@dataclasses.dataclass(frozen=True)
class Trees:
    """The trees of all channels; r is a residual, level = r - lowest in 0–63.

    Nodes are numbered by planes, from the root, left to right within a plane.

    Attributes:
      threshold: int16 (channels, 63); a node asks whether level > threshold.
      child: int16 (channels, 63, 2); the next node for answers no and yes, or
        -1 - level where the answer settles the symbol.
      plane: int8 (channels, 63); depth of the node.
      low, high: int16 (channels, 63); the levels still possible at the node.
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
            raise ValueError("a tree does not reach every level once")
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
    """Trees that halve the probability of every channel's levels.

    Args:
      counts: (channels, 64), how often each level was seen in training.
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
    # Levels never seen weigh little, and evenly: their part of the tree stays shallow.
    total = np.concatenate([[0.0], np.cumsum(counts + 1e-6 * counts.sum() + 1e-9)])
    queue = [(0, LEVELS - 1, 0, -1, 0)]
    for number in range(NODES):
        low, high, plane, parent, answer = queue[number]
        middle = (total[low] + total[high + 1]) / 2
        cuts = total[low + 1 : high + 1]  # mass up to and with level low, low + 1, …
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


def clip_trees(trees: Trees, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leaves out the questions whose answers follow from each channel's range.

    Args:
      trees: of all channels.
      low, high: int (channels,), smallest and largest level in this picture.

    Returns:
      root (channels,) and child (channels, 63, 2), in which a settled symbol
      is -1 - level.
    """
    below = trees.threshold >= high[:, None]  # the answer is no
    above = trees.threshold < low[:, None]  # the answer is yes
    target = np.tile(np.arange(NODES, dtype=np.int16), (trees.channels, 1))
    rows = np.arange(trees.channels)

    def resolve(node: np.ndarray) -> np.ndarray:
        settled = node < 0
        return np.where(settled, node, target[rows, np.where(settled, 0, node)])

    # Children have larger numbers than their parents.
    child = trees.child.copy()
    for number in reversed(range(NODES)):
        for side in (0, 1):
            child[:, number, side] = resolve(child[:, number, side])
        target[:, number] = np.where(
            below[:, number],
            child[:, number, 0],
            np.where(above[:, number], child[:, number, 1], number),
        )
    return target[:, 0], child


@dataclasses.dataclass(frozen=True)
class Paths:
    """Which nodes a level passes in its channel's tree, plane by plane.

    Attributes:
      node: int32 (channels, 64, planes), -1 below the leaf.
      place: int32, the node's place among the 2^plane of its plane.
      bit: int32, the answer there.
    """

    node: np.ndarray
    place: np.ndarray
    bit: np.ndarray


def walk(trees: Trees, limit: int) -> Paths:
    """Walks every level of every channel down its tree.

    Args:
      trees: of all channels.
      limit: places are counted in this many planes, and are meaningless below.
    """
    shape = (trees.channels, LEVELS, trees.planes)
    node, place, bit = (np.full(shape, -1, np.int32) for _ in range(3))
    rows = np.arange(trees.channels)[:, None]
    levels = np.arange(LEVELS)[None, :]
    at = np.zeros((trees.channels, LEVELS), np.int32)
    where = np.zeros_like(at)
    for plane in range(trees.planes):
        live = at >= 0
        safe = np.maximum(at, 0)
        answer = (levels > trees.threshold[rows, safe]).astype(np.int32)
        node[..., plane] = np.where(live, at, -1)
        place[..., plane] = np.where(live, where, -1)
        bit[..., plane] = np.where(live, answer, 0)
        at = np.where(live, trees.child[rows, safe, answer], at)
        # Deeper places would overflow.
        where = 2 * where + answer if plane < limit else where
    return Paths(node, place, bit)
