"""Reads the Parquet files of an archive, a column at a time."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deepsic import taxonomy
from deepsic.archives.places import Place, first_line, named
from deepsic.archives.schema import EXTENSION, schema
from deepsic.errors import BadFile
from deepsic.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pyarrow as pa

_LABELS = ("model", "label")
_NEEDED = ("path", "width", "height", "bytes", *_LABELS, "probability", "levels", "dsic")


class Shard:
    """One Parquet file of an archive; only its footer is read at first.

    Args:
      place: of it.

    Raises:
      BadFile: if it is damaged, or no archive of pictures.
    """

    def __init__(self, place: Place) -> None:
        from pyarrow import ArrowException, parquet

        self.place, self.path = place, place.path
        try:
            with named(place.path):
                self._file = parquet.ParquetFile(place.open(), read_dictionary=list(_LABELS))
                columns = self._file.schema_arrow
        except ArrowException as error:
            raise BadFile(f"{place.path} is damaged: {first_line(error)}.") from error
        except KeyError as error:  # of a column that is not there
            raise BadFile(f"{place.path} is no archive of pictures: it has no labels.") from error
        for name in _NEEDED:
            found = columns.field(name).type if name in columns.names else None
            if name not in _LABELS and found != schema().field(name).type:
                raise BadFile(f"{place.path} is no archive of pictures: its {name} is {found}.")
        self.starts = [0]
        for group in range(self._file.num_row_groups):
            self.starts.append(self.starts[-1] + self._file.metadata.row_group(group).num_rows)

    def __len__(self) -> int:
        return self.starts[-1]

    @property
    def groups(self) -> range:
        """Of its rows: the numbers of the groups that they are written in."""
        return range(len(self.starts) - 1)

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of a group of rows; raises BadFile if they are damaged."""
        from pyarrow import ArrowException

        try:
            with named(self.path):
                return self._file.read_row_group(group, list(columns), use_threads=False)
        except (ArrowException, ValueError) as error:
            raise BadFile(f"{self.path} is damaged: {first_line(error)}.") from error

    def is_null(self, group: int, column: str) -> bool:
        """Whether a column is known to have no values in a group of rows."""
        found = self._file.metadata.row_group(group)
        chunks = [found.column(i) for i in range(found.num_columns)]
        parts = [c for c in chunks if c.path_in_schema.split(".")[0] == column]
        return all(
            c.statistics is not None
            and c.statistics.has_null_count
            and c.statistics.null_count == c.num_values
            for c in parts
        )

    def count_errors(self, group: int) -> int:
        """Rows of a group that have no file."""
        if self.is_null(group, "error"):
            return 0
        column = self.read(group, ["error"]).column(0)
        return len(column) - column.null_count

    def row(self, index: int, columns: Sequence[str]) -> dict[str, Any]:
        """One row, by its number; raises BadFile."""
        group = self.group_of(index)
        (found,) = self.read(group, columns).slice(index - self.starts[group], 1).to_pylist()
        return found

    def group_of(self, index: int) -> int:
        """The group that a row is in."""
        return bisect.bisect_right(self.starts, index) - 1


class Node(NamedTuple):
    """A node of a tree that labels of some model lead to.

    Attributes:
      taxonomy: the tree, or as much of it as is known.
      node: the number in it.
    """

    taxonomy: Taxonomy
    node: int


def node_of(label: str, levels: Sequence[str]) -> Node:
    """Where a label is: in ImageNet's tree, or on the path that its row names."""
    known = taxonomy.imagenet()
    for node in known.nodes_called(label):
        if known.ids[node] == label and known.names_of(node) == list(levels):
            return Node(known, node)
    return _chain(label, tuple(levels))


@functools.lru_cache(maxsize=4096)
def _chain(label: str, levels: tuple[str, ...]) -> Node:
    last = len(levels) - 1
    ids = [*(f"{depth}/{name}" for depth, name in enumerate(levels[:-1])), label]
    return Node(Taxonomy(ids, levels, range(-1, last), 0), last)


class Kinds:
    """The different labels of an archive's rows, numbered as they come.

    Attributes:
      nodes: where each is in its tree.
      labels: the id of each.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.labels: list[str] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def read(self, shard: Shard, group: int) -> np.ndarray:
        """The kind of every row of a group, int32; -1 where a row has no label.

        Raises:
          BadFile: if the shard is damaged.
        """
        table = shard.read(group, _LABELS)
        model, label = (_encoded(table.column(name)) for name in _LABELS)
        models, labels = len(model.dictionary) + 1, len(label.dictionary)
        codes = _indices(model) + 1 + models * _indices(label)
        codes[_indices(label) < 0] = -1
        numbers = np.full(models * labels + 1, -1, np.int32)  # the last one is for code -1
        here = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=1))
        for code in here.tolist():
            name = model.dictionary[code % models - 1].as_py() if code % models else ""
            key = name, label.dictionary[code // models].as_py()
            if key not in self._numbers:
                levels = shard.read(group, ["levels"]).column(0)
                self._add(key, levels[int(np.argmax(codes == code))].as_py())
            numbers[code] = self._numbers[key]
        return numbers[codes]

    def _add(self, key: tuple[str, str], levels: list[str] | None) -> None:
        names = [name if name.isprintable() else repr(name) for name in levels or [key[1]]]
        self._numbers[key] = len(self.nodes)
        self.nodes.append(node_of(key[1], names))
        self.labels.append(key[1])


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    import pyarrow as pa

    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], pa.string())
    return whole if isinstance(whole, pa.DictionaryArray) else whole.dictionary_encode()


def _indices(encoded: pa.DictionaryArray) -> np.ndarray:
    """Of the dictionary; -1 for null."""
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def find(name: str) -> list[Place]:
    """The Parquet files of a place: itself, or those in the folder.

    Raises:
      BadFile: if there is none.
    """
    place = Place.of(name)
    if place.is_file():
        return [place]
    found = [place / path for path, _ in place.walk() if path.endswith(EXTENSION)]
    found = [p for p in found if "/_bulk/" not in p.path]
    if not found:
        raise BadFile(f"{name} holds no {EXTENSION} file.")
    return found
