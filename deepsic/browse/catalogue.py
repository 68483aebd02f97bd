"""All pictures of an archive by number, and a tree of what they show with counts."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deepsic.errors import BadFile
from deepsic.formats import extensions
from deepsic.search.scan import Found
from deepsic.taxonomy import Taxonomy

if TYPE_CHECKING:
    from deepsic.archives.shards import Kinds, Shard
    from deepsic.search.reading import Archive


@dataclasses.dataclass
class Node:
    """Something that pictures show, or a kind of such things.

    Attributes:
      id, name: of it.
      parent: the node above; None for a root.
      children: by name.
      first, stop: the numbers of itself and of all below are first … stop - 1.
      here, count: pictures whose label it is, and those at it or below.
    """

    id: str
    name: str
    parent: Node | None
    children: dict[str, Node] = dataclasses.field(default_factory=dict)
    first: int = 0
    stop: int = 0
    here: int = 0
    count: int = 0

    @property
    def path(self) -> list[Node]:
        """From the root to this node."""
        return [*(self.parent.path if self.parent else []), self]

    @property
    def is_passed_through(self) -> bool:
        """Whether all of its pictures are at or below a single child."""
        return not self.here and len(self.children) == 1


class Tree:
    """The nodes that some pictures are at or under, in the order of their numbers."""

    def __init__(self) -> None:
        self.roots: dict[str, Node] = {}
        self.nodes: list[Node] = []

    def put(self, known: Taxonomy, node: int) -> Node:
        """The node of a label, made with those above it if it is new."""
        here, parent = self.roots, None
        for number in known.tree.path(node):
            name = known.names[number]
            if name not in here:
                here[name] = Node(known.ids[number], name, parent)
            parent, here = here[name], here[name].children
        assert parent is not None
        parent.id = known.ids[node]
        return parent

    def number(self) -> None:
        """Numbers all nodes depth first, and sums up their counts."""
        self.nodes = []
        for root in self.roots.values():
            self._number(root)

    def _number(self, node: Node) -> None:
        node.first = len(self.nodes)
        self.nodes.append(node)
        for child in node.children.values():
            self._number(child)
        node.stop = len(self.nodes)
        node.count = node.here + sum(child.count for child in node.children.values())

    def suggest(self, words: str, most: int) -> list[Node]:
        """Nodes whose names have words that begin so, and what is below them; likeliest first."""
        wanted = words.casefold().split()
        if not wanted:
            return []
        ranks: dict[int, tuple] = {}
        for node in self.nodes:
            name = node.name.casefold()
            if not all(any(w.startswith(part) for w in name.split()) for part in wanted):
                continue
            exact = name != " ".join(wanted), not name.startswith(wanted[0])
            if node.is_passed_through and exact[0]:
                continue
            ranks[node.first] = (0, *exact, -node.count)
            for number in range(node.first + 1, node.stop):
                below = self.nodes[number]
                if not below.is_passed_through:
                    ranks.setdefault(number, (1, False, False, -below.count))
        return [self.nodes[n] for n in sorted(ranks, key=lambda n: (*ranks[n], n))[:most]]


class Catalogue:
    """The pictures of an archive, by number.

    Args:
      archive: its files and shards.
      originals: folder of the pictures that were coded, laid out as the archive is; if None,
        those of loose files are looked for beside them.

    Attributes:
      tree: what they show.
      count: of pictures.
      failed: of files and rows that there is no picture of.

    Raises:
      BadFile: if a shard is damaged.
    """

    def __init__(self, archive: Archive, originals: str | None = None) -> None:
        self._originals = originals and os.path.realpath(originals)
        self.tree = Tree()
        files = self._add_files(archive)
        self._files = [file for _, file, _, _ in files]
        rows = self._add_rows(archive.shards) if archive.shards else []
        self.tree.number()
        columns = [
            ([node.first for _, _, node, _ in files], [p for _, _, _, p in files]),
            *((r.numbers(), r.probabilities) for r in rows),
        ]
        self._shards = archive.shards
        self._rows = [r.rows for r in rows]
        self._starts = np.cumsum([len(self._files), *map(len, self._rows)])
        self._nodes = np.concatenate([np.asarray(c[0], np.int32) for c in columns])
        self._probabilities = np.concatenate([np.asarray(c[1], np.float32) for c in columns])
        self._order = np.argsort(-self._probabilities, kind="stable").astype(np.int32)
        self._falling = -self._probabilities[self._order]
        self.count = len(self._nodes)
        self.failed = archive.count - self.count

    def _add_files(self, archive: Archive) -> list[tuple[str, Found, Node, float]]:
        found = []
        for meaning, files in archive.groups:
            node = self.tree.put(meaning.taxonomy, meaning.description.node)
            kept = [f for f in files if is_inside(f.path, f.root or ".")]
            node.here += len(kept)
            found += [(f.path, f, node, meaning.description.probability) for f in kept]
        return sorted(found, key=lambda each: each[0])

    def _add_rows(self, shards: Sequence[Shard]) -> list[_Rows]:
        from deepsic.archives.shards import Kinds

        kinds, found = Kinds(), []
        for shard in shards:
            parts = [_read_group(shard, group, kinds) for group in shard.groups]
            numbers, shown, probabilities = map(np.concatenate, zip(*parts, strict=True))
            found.append(_Rows(numbers, shown, probabilities, []))
        nodes = [self.tree.put(*node) for node in kinds.nodes]
        for rows in found:
            counts = np.bincount(rows.kinds[rows.kinds >= 0], minlength=len(nodes))
            for node, count in zip(nodes, counts.tolist(), strict=True):
                node.here += count
        return [rows._replace(nodes=nodes) for rows in found]

    def search(self, node: int | None, least: float, most: int, skip: int) -> tuple[int, list[int]]:
        """Pictures that show a thing, most probable first.

        Args:
          node: its number in the tree; None for all pictures.
          least: probability of a hit.
          most, skip: how many are returned, and how many before them are not.

        Returns:
          How many there are, and the numbers of some.
        """
        found = self._order
        if least > 0:
            found = found[: int(np.searchsorted(self._falling, -least, side="right"))]
        if node is not None:
            wanted, numbers = self.tree.nodes[node], self._nodes[found]
            found = found[(numbers >= wanted.first) & (numbers < wanted.stop)]
        return len(found), found[skip : skip + most].tolist()

    def describe(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Of some pictures: what a list of them shows; see `columns` of the page."""
        found = []
        for number in numbers:
            node = int(self._nodes[number])
            told = self._describe_file(number) if number < len(self._files) else self._row(number)
            told |= {"number": number, "probability": _none_if_nan(self._probabilities[number])}
            told["node"] = node if node >= 0 else None
            told["name"] = self.tree.nodes[node].name if node >= 0 else None
            told["bpp"] = 8 * told["bytes"] / (told["width"] * told["height"])
            found.append(told)
        return found

    def _describe_file(self, number: int) -> dict[str, Any]:
        file = self._files[number]
        header = file.header
        path = os.fsencode(file.path).decode("utf-8", "replace")
        return {"path": path, "width": header.width, "height": header.height, "bytes": file.size}

    def _row(self, number: int) -> dict[str, Any]:
        shard, row = self._find_row(number)
        found = shard.row(row, ["path", "width", "height", "bytes"])
        if not all(found.values()):
            raise BadFile(f"{shard.path} is damaged: a row has no size.")
        return found

    def _find_row(self, number: int) -> tuple[Shard, int]:
        index = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._shards[index], int(self._rows[index][number - self._starts[index]])

    def node(self, number: int) -> Node | None:
        """What a picture shows; None if nobody has asked."""
        node = int(self._nodes[number])
        return self.tree.nodes[node] if node >= 0 else None

    def source(self, number: int) -> str | bytes:
        """A picture's file, or its bytes; raises BadFile."""
        if number < len(self._files):
            return self._files[number].path
        shard, row = self._find_row(number)
        return shard.row(row, ["dsic"])["dsic"]

    def read(self, number: int) -> bytes:
        """The bytes of a picture's file; raises BadFile or OSError."""
        source = self.source(number)
        if isinstance(source, bytes):
            return source
        with open(source, "rb") as handle:
            return handle.read()

    def find_original(self, number: int) -> str | None:
        """The picture that was coded, if it is where originals are; nothing outside of that."""
        if number < len(self._files):
            file = self._files[number]
            inside = os.path.relpath(file.path, file.root or ".")
            root = self._originals or os.path.realpath(file.root or ".")
        elif self._originals:
            inside, root = self._row(number)["path"], self._originals
        else:
            return None
        stem, _ = os.path.splitext(os.path.join(root, inside))
        known = sorted(extensions())
        beside = [stem + end for end in (*known, *map(str.upper, known))]
        exact = [os.path.join(root, inside)] if inside.endswith(tuple(known)) else []
        places = (p for p in [*exact, *beside] if os.path.isfile(p) and is_inside(p, root))
        return next(places, None)


class _Rows(NamedTuple):
    """The pictures of one shard.

    Attributes:
      rows: their numbers there.
      kinds: what they show, a number in `nodes`; -1 if they say nothing.
      probabilities: NaN if they say nothing.
      nodes: of the tree.
    """

    rows: np.ndarray
    kinds: np.ndarray
    probabilities: np.ndarray
    nodes: list[Node]

    def numbers(self) -> np.ndarray:
        """The nodes' numbers, int32."""
        return np.array([*(node.first for node in self.nodes), -1], np.int32)[self.kinds]


def _read_group(
    shard: Shard, group: int, kinds: Kinds
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = kinds.read(shard, group)
    probabilities = shard.read(group, ["probability"]).column(0)
    probabilities = probabilities.fill_null(np.nan).to_numpy().astype(np.float32)
    rows = np.arange(len(found), dtype=np.int32)
    if shard.count_errors(group):
        rows = rows[shard.read(group, ["error"]).column(0).is_null().to_numpy()]
    return rows + np.int32(shard.starts[group]), found[rows], probabilities[rows]


def is_inside(path: str, root: str) -> bool:
    """Whether a path leads to something in a folder, links followed."""
    whole, root = os.path.realpath(path), os.path.realpath(root)
    return os.path.commonpath([whole, root]) == root


def _none_if_nan(value: np.floating) -> float | None:
    return None if np.isnan(value) else float(value)
