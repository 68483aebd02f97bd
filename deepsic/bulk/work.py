"""Does one block of a bulk run: whoever does it again makes the same file."""

from __future__ import annotations

import hashlib
import io
import posixpath
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from deepsic import container
from deepsic.archives.places import Place, first_line
from deepsic.archives.schema import EXTENSION, Rows, failure, schema, writer_options
from deepsic.archives.shards import Shard
from deepsic.bulk.inputs import Input
from deepsic.bulk.manifest import Plan, block_file
from deepsic.bulk.settings import Settings
from deepsic.dsicfile import DsicFile
from deepsic.errors import BadFile, DeepsicError, NoRoom
from deepsic.images import read_picture
from deepsic.registry import Registry


class Report(NamedTuple):
    """What came of a block.

    Attributes:
      block: its number.
      rows: how many it has.
      bad: of these, how many have a reason instead of a file.
      bytes: of its file.
      seconds: that it took; 0 if it had been done before.
    """

    block: int
    rows: int
    bad: int
    bytes: int
    seconds: float


def target(path: str) -> str:
    """The `.dsic` file's path for a picture's."""
    return posixpath.splitext(path)[0] + container.EXTENSION


class Worker:
    """Works on blocks, with the models loaded once.

    Args:
      settings: of the run.

    Raises:
      DeepsicError: if a model is not here.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._out = settings, Place.of(settings.out)
        self._plan = Plan(self._out)
        models = Registry(settings.further)
        self._models, self._rows = models, Rows(models)
        self._open: tuple[str, Any] | None = None
        self._code = _coder(settings) if settings.models else None

    def work(self, block: int) -> Report:
        """Does a block, unless its file is there.

        Raises:
          BadFile: if nothing can be written.
        """
        from pyarrow import parquet

        place = block_file(self._out, block)
        if place.is_file():
            with place.open() as handle:
                errors = parquet.read_table(handle, columns=["error"]).column(0)
            return Report(block, len(errors), len(errors) - errors.null_count, place.size(), 0.0)
        start = time.monotonic()
        rows = [row for each in self._plan.inputs(block) for row in self._work(each)]
        place.write(lambda handle: _write(rows, handle))
        bad = sum(row.get("error") is not None for row in rows)
        return Report(block, len(rows), bad, place.size(), time.monotonic() - start)

    def _work(self, each: Input) -> Iterator[dict[str, Any]]:
        if each.place.endswith(EXTENSION):
            yield from self._work_on_rows(each)
            return
        original: dict[str, Any] = {}
        try:
            if each.problem:
                raise BadFile(each.problem)
            data = self._read(each)
            if self._settings.action == "compress":
                original["original_bytes"] = len(data)
                original["original_sha256"] = hashlib.sha256(data).hexdigest()
                yield self._compress(each.path, data, original)
            else:
                yield self._rows.make(each.path, data, self._classify(data))
        except NoRoom:
            raise
        except DeepsicError as error:
            yield failure(each.path, str(error), original)
        except MemoryError:
            yield failure(each.path, "it does not fit into memory.", original)

    def _work_on_rows(self, each: Input) -> Iterator[dict[str, Any]]:
        for row in self._read_rows(each):
            try:
                semantics = None if row["error"] is not None else self._classify(row["dsic"])
                if semantics is not None:
                    made = self._rows.make(row["path"], row["dsic"], semantics)
                    row |= {k: v for k, v in made.items() if k != "time"}
                yield row
            except DeepsicError as error:
                yield {**failure(row["path"], str(error)), "dsic": row["dsic"]}

    def _compress(self, path: str, data: bytes, original: dict[str, Any]) -> dict[str, Any]:
        s = self._settings
        picture = read_picture(io.BytesIO(data), s.max_pixels, lambda sentence: None)
        assert self._code is not None
        coded = self._code(picture, s.threshold, s.topk)
        row = self._rows.make(path, coded, None, original)
        if s.format == "files":
            (self._out / target(path)).write(lambda handle: handle.write(coded))
            del row["dsic"]
        return row

    def _classify(self, data: bytes) -> Any:
        """What the head of a `post` file's model says; None where nobody is to be asked."""
        if self._settings.action != "classify":
            return None
        file = DsicFile(data, self._settings.max_pixels, self._models)
        if file.header.semantics is not None:
            return None
        probabilities = file.codec.classify_symbols(file.symbols[None])[0]
        return file.codec.get_semantics(
            probabilities, self._settings.threshold, self._settings.topk
        )

    def _read(self, each: Input) -> bytes:
        """The bytes of an input; a tar file stays open from one of its pictures to the next."""
        if not each.offset:
            return Place.of(each.place).read()
        if self._open is None or self._open[0] != each.place:
            self._open = each.place, Place.of(each.place).open()
        try:
            data = self._open[1].read_at(each.size, each.offset)
        except OSError as error:
            raise BadFile(f"{each.place} cannot be read: {first_line(error)}.") from error
        if len(data) < each.size:
            raise BadFile("the tar file ends in it.")
        return data

    def _read_rows(self, each: Input) -> list[dict[str, Any]]:
        """The rows of an input; their group stays in memory from one input to the next."""
        shard, table, first = (
            self._open[1]
            if self._open and self._open[0] == each.place
            else (Shard(Place.of(each.place)), None, 0)
        )
        if table is None or not first <= each.offset < first + len(table):
            group = shard.group_of(each.offset)
            table, first = shard.read(group, schema().names), shard.starts[group]
        self._open = each.place, (shard, table, first)
        return table.slice(each.offset - first, each.size).to_pylist()


def _coder(settings: Settings) -> Callable[..., bytes]:
    """From a picture, a threshold and a number of alternatives to a file."""
    from deepsic import store
    from deepsic.codec import Codec
    from deepsic.ladder import Ladder
    from deepsic.targets import Target

    folders = [store.find(name) for name in settings.models]
    if settings.bpp is None:
        return Codec(folders[0]).compress
    ladder, target = Ladder(folders), Target("bpp", settings.bpp)
    return lambda picture, *options: ladder.compress(picture, target, *options).data


def _write(rows: list[dict[str, Any]], handle: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pylist(rows, schema())
    with parquet.ParquetWriter(handle, schema(), **writer_options()) as writer:
        writer.write_table(table)
