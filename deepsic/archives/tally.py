"""How many rows of Parquet archives say what, and how large their pictures and files are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deepsic import taxonomy
from deepsic.archives.query import failure
from deepsic.archives.shards import Kinds, Node, Shard
from deepsic.errors import BadFile
from deepsic.search.scan import Failed
from deepsic.taxonomy import Taxonomy


class Sums(NamedTuple):
    """Rows with one label.

    Attributes:
      node: where the label is in its tree.
      files: how many they are.
      bytes: of their files.
      pixels: of their pictures.
    """

    node: Node
    files: int
    bytes: int
    pixels: int


def tally(shards: Sequence[Shard]) -> tuple[list[Sums], list[Failed]]:
    """Sums of labelled rows by label, and the shards that are damaged."""
    kinds, failed = Kinds(), []
    sums = np.zeros((3, 0), np.int64)
    for shard in shards:
        try:
            for group in shard.groups:
                found = kinds.read(shard, group)
                sums = np.pad(sums, [(0, 0), (0, len(kinds.nodes) - sums.shape[1])])
                sums += _sum_group(shard, group, found, len(kinds.nodes))
        except BadFile as error:
            failed.append(failure(shard.path, error))
    sums = np.pad(sums, [(0, 0), (0, len(kinds.nodes) - sums.shape[1])])
    nodes = _join(kinds.nodes)
    return [
        Sums(node, *map(int, column)) for node, column in zip(nodes, sums.T, strict=True)
    ], failed


def _sum_group(shard: Shard, group: int, kinds: np.ndarray, count: int) -> np.ndarray:
    table = shard.read(group, ["bytes", "width", "height"])
    size, width, height = (
        table.column(name).fill_null(0).to_numpy().astype(np.int64)[kinds >= 0]
        for name in ("bytes", "width", "height")
    )
    here = kinds[kinds >= 0]
    columns = np.ones(len(here)), size, width * height
    return np.stack([np.bincount(here, c, count).astype(np.int64) for c in columns])


def _join(nodes: Sequence[Node]) -> list[Node]:
    """Nodes with paths of their own, in as few trees as there are roots."""
    paths: dict[tuple[str, ...], int] = {}
    for known, node in nodes:
        if known is not taxonomy.imagenet():
            names = tuple(known.names_of(node))
            for depth in range(1, len(names) + 1):
                paths.setdefault(names[:depth], len(paths))
    trees = {root: _tree([p for p in paths if p[0] == root]) for root in {p[0] for p in paths}}
    joined = []
    for known, node in nodes:
        if known is taxonomy.imagenet():
            joined.append(Node(known, node))
            continue
        names = tuple(known.names_of(node))
        tree, numbers = trees[names[0]]
        joined.append(Node(tree, numbers[names]))
    return joined


def _tree(paths: list[tuple[str, ...]]) -> tuple[Taxonomy, dict[tuple[str, ...], int]]:
    numbers = {path: number for number, path in enumerate(paths)}
    parents = [numbers[path[:-1]] if len(path) > 1 else -1 for path in paths]
    return Taxonomy([p[-1] for p in paths], [p[-1] for p in paths], parents, 0), numbers
