"""Rows of Parquet archives by what they show: a few columns are read, a group of rows at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deepsic import taxonomy
from deepsic.archives.schema import schema
from deepsic.archives.shards import Kinds, Shard
from deepsic.errors import BadFile
from deepsic.search.query import Hit, Wanted
from deepsic.search.reading import Meaning
from deepsic.search.scan import Failed
from deepsic.treecode import Description, NodeProbability

if TYPE_CHECKING:
    import pyarrow as pa


class Row(NamedTuple):
    """A row of an archive, in place of a file.

    Attributes:
      path: of the picture.
      shard: the Parquet file.
      number: of the row in it.
    """

    path: str
    shard: Shard
    number: int

    def source(self) -> bytes:
        """What `DsicFile` opens: the file's bytes; raises BadFile."""
        return self.shard.row(self.number, ["dsic"])["dsic"]


class Result:
    """Rows that show a thing, most probable first; they become objects one at a time.

    Args:
      shards: that were searched.
      kinds: of their rows.
      top: how many of the most probable are kept; 0 for all.

    Attributes:
      count: of all hits, kept or not.
      bad: rows without a file.
      unlabelled: rows of files that say nothing, and that nobody has classified.
      failed: shards that are damaged; what was found in them before that is kept.
    """

    def __init__(self, shards: Sequence[Shard], kinds: Kinds, top: int) -> None:
        self._shards, self._kinds, self._top = shards, kinds, top
        self._tables: list[pa.Table] = []
        self._held = self.count = self.bad = self.unlabelled = 0
        self.failed: list[Failed] = []

    def add(self, table: pa.Table) -> None:
        """Adds hits; forgets what cannot be among the most probable any more."""
        self._tables.append(table)
        self.count += len(table)
        self._held += len(table)
        if self._top and self._held > max(4 * self._top, 1 << 14):
            self._tables = [self._sorted()]
            self._held = len(self._tables[0])

    def _sorted(self) -> pa.Table:
        import pyarrow as pa

        whole = pa.concat_tables(self._tables)
        whole = whole.sort_by([("probability", "descending"), ("path", "ascending")])
        if not self._top:
            return whole
        # A copy, as a slice would keep the whole.
        return whole.take(pa.array(range(min(self._top, len(whole)))))

    def __iter__(self) -> Iterator[Hit]:
        if not self._tables:
            return
        for batch in self._sorted().to_batches(max_chunksize=1024):
            for found in batch.to_pylist():
                yield self._hit(found)

    def _hit(self, found: dict[str, Any]) -> Hit:
        others = found["alternatives"] or []
        node, ids = self._kinds.nodes[found["kind"]], taxonomy.imagenet().ids
        known = node.taxonomy
        numbers = {id: n for n, id in enumerate(ids)} if others else {}
        alternatives = tuple(
            NodeProbability(numbers[o["label"]], o["probability"])
            for o in others
            if known is taxonomy.imagenet() and o["label"] in numbers
        )
        told = Description(node.node, found["label_probability"], 0.0, alternatives)
        row = Row(_printable(found["path"]), self._shards[found["shard"]], found["row"])
        return Hit(found["probability"], row, Meaning(known, told), tuple(found["perhaps"] or ()))


def _printable(path: str) -> str:
    return path if path.isprintable() else ascii(path)[1:-1]


def search(shards: Sequence[Shard], wanted: Wanted, min_probability: float, top: int = 0) -> Result:
    """Rows that show a thing or a kind of it, by their label or else by their alternatives.

    Args:
      shards: of the archives.
      wanted: what the rows are to show.
      min_probability: of hits, 0 to 1.
      top: how many to keep; 0 for all.
    """
    kinds = Kinds()
    result, meant = Result(shards, kinds, top), _Meant(wanted, kinds)
    for number, shard in enumerate(shards):
        try:
            for group in shard.groups:
                found = _search_group(shard, group, meant, min_probability, result)
                if found is not None:
                    result.add(found.append_column("shard", [[number] * len(found)]))
        except BadFile as error:
            result.failed.append(failure(shard.path, error))
    return result


def failure(path: str, error: BadFile) -> Failed:
    """A shard that cannot be read, and why."""
    return Failed(path, str(error).replace(path, "it", 1))


class _Meant:
    """Which kinds of rows show what is wanted, and which labels."""

    def __init__(self, wanted: Wanted, kinds: Kinds) -> None:
        self.kinds, self._wanted, self._flags = kinds, wanted, [False]
        self._labels: dict[str, bool] = {}

    def rows(self, shard: Shard, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Of every row of a group: its kind, and whether it is wanted."""
        found = self.kinds.read(shard, group)
        for known, node in self.kinds.nodes[len(self._flags) - 1 :]:
            self._flags.insert(-1, self._wanted.in_tree(known)(node))
        return found, np.array(self._flags)[found]

    def label(self, label: str, name: str) -> bool:
        """Whether a class that is an alternative is wanted."""
        if label not in self._labels:
            known = taxonomy.imagenet()
            is_wanted = self._wanted.in_tree(known)
            nodes = [n for n in known.nodes_called(label) if known.ids[n] == label]
            # Classes of a model that is not here are known by their names alone.
            own = {label.casefold(), name.casefold()}
            words, excluded = (
                {w.casefold() for w in each} for each in (self._wanted.words, self._wanted.excluded)
            )
            by_name = not nodes and not own.isdisjoint(words) and own.isdisjoint(excluded)
            self._labels[label] = any(map(is_wanted, nodes)) or by_name
        return self._labels[label]


def _search_group(
    shard: Shard, group: int, meant: _Meant, min_probability: float, result: Result
) -> pa.Table | None:
    import pyarrow as pa

    kinds, shown = meant.rows(shard, group)
    bad = shard.count_errors(group)
    result.bad += bad
    result.unlabelled += int((kinds < 0).sum()) - bad
    others = _alternatives(shard, group, meant, shown)
    if not shown.any() and not others:
        return None
    of_label = shard.read(group, ["probability"]).column(0)
    of_label = of_label.fill_null(math.nan).to_numpy().astype(np.float64)
    probability = np.where(shown, of_label, 0.0)
    for row, named in others.items():
        probability[row] = min(1.0, sum(p for _, p in named))
    rows = np.flatnonzero((probability > 0) & (probability >= min_probability))
    if not len(rows):
        return None
    columns = ["path"] if shard.is_null(group, "alternatives") else ["path", "alternatives"]
    read = shard.read(group, columns).take(rows)
    told = [others.get(row, ()) for row in rows.tolist()]
    perhaps = [[f"{name} ({p:.0%})" for name, p in named] or None for named in told]
    nulls = pa.nulls(len(rows), schema().field("alternatives").type)
    return pa.table(
        {
            "probability": probability[rows],
            "path": read.column("path"),
            "row": rows + shard.starts[group],
            "kind": kinds[rows],
            "label_probability": of_label[rows],
            "perhaps": pa.array(perhaps, pa.list_(pa.string())),
            "alternatives": read.column("alternatives") if len(columns) > 1 else nulls,
        }
    )


def _alternatives(
    shard: Shard, group: int, meant: _Meant, shown: np.ndarray
) -> dict[int, list[tuple[str, float]]]:
    """Rows whose label is another, but not their alternatives: those that are meant."""
    if shard.is_null(group, "alternatives"):
        return {}
    column = shard.read(group, ["alternatives"]).column(0).combine_chunks()
    import pyarrow.compute as pc

    flat = pc.list_flatten(column)
    labels = pc.struct_field(flat, "label").dictionary_encode()
    names = pc.struct_field(flat, "name")
    parents = pc.list_parent_indices(column).to_numpy()
    codes = labels.indices.to_numpy(zero_copy_only=False)
    firsts = {code: at for at, code in reversed(list(enumerate(codes.tolist())))}
    wanted = [
        meant.label(label, names[firsts[code]].as_py())
        for code, label in enumerate(labels.dictionary.to_pylist())
    ]
    hits = np.flatnonzero(np.array([*wanted, False])[codes] & ~shown[parents])
    found: dict[int, list[tuple[str, float]]] = {}
    for at, other in zip(hits.tolist(), flat.take(hits).to_pylist(), strict=True):
        found.setdefault(int(parents[at]), []).append((other["name"], other["probability"]))
    return found
