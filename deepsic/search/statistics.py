"""What an archive holds: files and bits by label and level, and what it saves."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from deepsic import container
from deepsic.search.reading import Archive
from deepsic.search.scan import Found
from deepsic.taxonomy import Taxonomy

if TYPE_CHECKING:
    from deepsic.archives.tally import Sums


@dataclasses.dataclass
class Count:
    """Sums over files.

    Attributes:
      files: how many.
      here: of these, how many say nothing more special.
      bytes: of the files.
      pixels: of the pictures.
      semantics: bytes of the labels in the files; 0 for `post`, and for rows.
    """

    files: int = 0
    here: int = 0
    bytes: int = 0
    pixels: int = 0
    semantics: int = 0

    def add(self, file: Found, is_here: bool) -> None:
        """Counts a file."""
        header = file.header
        self.files += 1
        self.here += is_here
        self.bytes += file.size
        self.pixels += header.width * header.height
        self.semantics += len(header.semantics.section) if header.semantics else 0

    def add_rows(self, rows: Sums, is_here: bool) -> None:
        """Counts rows of a Parquet archive, whose labels are beside the files."""
        self.files += rows.files
        self.here += rows.files * is_here
        self.bytes += rows.bytes
        self.pixels += rows.pixels

    @property
    def bpp(self) -> float:
        """Bits per pixel over all files."""
        return 8 * self.bytes / self.pixels if self.pixels else 0.0


@dataclasses.dataclass
class Level:
    """A node of a tree that files are at or under.

    Attributes:
      id, name: of the node.
      depth: 0 for the root.
      count: of these files.
    """

    id: str
    name: str
    depth: int
    count: Count


def by_level(archive: Archive, rows: Iterable[Sums] = ()) -> list[Level]:
    """Counts at every node that an archive's labels lead through, depth first.

    Args:
      archive: whose files are counted.
      rows: of its Parquet files.
    """
    trees: dict[Taxonomy, dict[int, Count]] = {}
    for sums in rows:
        counts = trees.setdefault(sums.node.taxonomy, {})
        for node in sums.node.taxonomy.tree.path(sums.node.node):
            counts.setdefault(node, Count()).add_rows(sums, node == sums.node.node)
    for meaning, files in archive.groups:
        counts = trees.setdefault(meaning.taxonomy, {})
        for node in meaning.taxonomy.tree.path(meaning.description.node):
            count = counts.setdefault(node, Count())
            for file in files:
                count.add(file, node == meaning.description.node)
    return [level for known, counts in trees.items() for level in _walk(known, counts)]


def _walk(known: Taxonomy, counts: dict[int, Count]) -> Iterable[Level]:
    stack = [(known.tree.root, 0)]
    while stack:
        node, depth = stack.pop()
        yield Level(known.ids[node], known.names[node], depth, counts[node])
        below = [child for child in known.tree.children[node] if child in counts]
        below.sort(key=lambda child: (counts[child].files, known.names[child]))
        stack += [(child, depth + 1) for child in below]


def in_short(levels: list[Level]) -> list[Level]:
    """Without the nodes that all of their files only pass through to one below."""
    after = [*levels[1:], None] if levels else []
    return [
        level
        for level, below in zip(levels, after, strict=True)
        if below is None or below.depth <= level.depth or below.count.files != level.count.files
    ]


def saved(archive: Archive, originals: str | None, extensions: Iterable[str]) -> dict[str, int]:
    """How the files compare with the pictures that they were made from, where these are there.

    Args:
      archive: whose files are compared.
      originals: a folder that mirrors the searched ones; if None, originals stand beside.
      extensions: that pictures have.

    Returns:
      `files` with an original, the `bytes` of these, and of their `originals`.
    """
    known, folders = frozenset(extensions), {}
    sums = {"files": 0, "bytes": 0, "originals": 0}
    for _, files in archive.groups:
        for file in files:
            folder, name = os.path.split(file.path)
            if originals is not None:
                folder = os.path.join(originals, os.path.relpath(folder or ".", file.root or "."))
            if folder not in folders:
                folders[folder] = _pictures(folder or ".", known)
            size = folders[folder].get(name.removesuffix(container.EXTENSION))
            if size is not None:
                sums["files"] += 1
                sums["bytes"] += file.size
                sums["originals"] += size
    return sums


def _pictures(folder: str, extensions: frozenset[str]) -> dict[str, int]:
    """From names without extension to bytes."""
    try:
        with os.scandir(folder) as entries:
            split = [(os.path.splitext(e.name), e) for e in entries if e.is_file()]
            return {stem: e.stat().st_size for (stem, end), e in split if end.lower() in extensions}
    except OSError:
        return {}


def as_json(levels: list[Level], sums: dict[str, int]) -> dict[str, Any]:
    """All of it, for programs."""
    rows = [
        {"id": level.id, "name": level.name, "depth": level.depth}
        | dataclasses.asdict(level.count)
        | {"bpp": level.count.bpp}
        for level in levels
    ]
    return {"levels": rows, "saved": sums}


def as_text(levels: list[Level], sums: dict[str, int]) -> str:
    """All of it, for people: nodes are indented under those above them."""
    lines = [f"{'files':>8} {'here':>8} {'bytes':>12} {'bpp':>7} {'label':>6}  what"]
    depths: list[int] = []
    for level in in_short(levels):
        while depths and depths[-1] >= level.depth:
            depths.pop()
        c, indent = level.count, "  " * len(depths)
        label = f"{8 * c.semantics / c.files:6.1f}"
        lines.append(
            f"{c.files:8} {c.here:8} {c.bytes:12} {c.bpp:7.3f} {label}  {indent}{level.name}"
        )
        depths.append(level.depth)
    lines.append("here: files whose label is this and nothing more special; label: bits a file")
    if sums["files"]:
        share = 1 - sums["bytes"] / max(1, sums["originals"])
        lines.append(
            f"{sums['files']} originals are there: {sums['originals']} bytes became"
            f" {sums['bytes']}, {share:.1%} saved."
        )
    return "\n".join(lines)
