"""What a bulk run has to do and what is done, in OUT, so that it can be killed and started again.

    OUT/part-00000.parquet …        finished shards
    OUT/_bulk/manifest.json         settings, plans, and of every shard the blocks that are in it
    OUT/_bulk/plan-00000.parquet    the inputs; each group of rows is a block, done together
    OUT/_bulk/blocks/N.parquet      finished blocks that are in no shard yet

A block counts as done when its file is there, and as in a shard when the manifest says so; every
file gets its name when all of it is written. A kill at any moment leaves blocks that are done, or
not; and perhaps a shard that the manifest does not know, which is written again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from deepsic import files
from deepsic.archives.places import Place
from deepsic.archives.schema import EXTENSION
from deepsic.bulk.inputs import Input
from deepsic.bulk.settings import Settings
from deepsic.errors import BadFile
from deepsic.search.scan import UNFINISHED

VERSION = 1


def blocks_of(out: Place) -> Place:
    """Where finished blocks wait for their shard."""
    return out / UNFINISHED / "blocks"


def block_file(out: Place, block: int) -> Place:
    """The file of a finished block."""
    return blocks_of(out) / f"{block:08}{EXTENSION}"


class Manifest:
    """The state of a run; opening it begins or continues that.

    Args:
      settings: of the run.

    Attributes:
      count: of blocks.
      done: blocks that are in shards.

    Raises:
      BadFile: if OUT holds another run or cannot be written, or another process is at it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._out = Place.of(settings.out)
        self._folder = self._out / UNFINISHED
        self._place = self._folder / "manifest.json"
        self._lock()
        told = self._read()
        self._plans: list[dict[str, Any]] = told["plans"]
        self.shards: dict[str, list[int]] = told["shards"]
        self.done = {block for blocks in self.shards.values() for block in blocks}

    @property
    def count(self) -> int:
        """Of all blocks."""
        return sum(plan["blocks"] for plan in self._plans)

    def _lock(self) -> None:
        if not self._out.is_local:
            return
        os.makedirs(self._folder.path, exist_ok=True)
        self._locked = open(os.path.join(self._folder.path, "lock"), "wb")  # noqa: SIM115
        if files.lock(self._locked.fileno()) is False:
            raise BadFile(f"{self._settings.out} is being written by another process.")

    def _read(self) -> dict[str, Any]:
        if not self._place.is_file():
            if any(path.endswith(EXTENSION) for path, _ in self._files()):
                raise BadFile(f"{self._settings.out} holds another archive; name another OUT.")
            return {"plans": [], "shards": {}}
        try:
            told = json.loads(self._place.read())
            same = told["version"] == VERSION and told["settings"] == self._settings.as_json()
        except (ValueError, KeyError, TypeError) as error:
            raise BadFile(f"{self._place.path} is damaged.") from error
        if not same:
            raise BadFile(
                f"{self._settings.out} holds another run: {_difference(told, self._settings)};"
                " name another OUT."
            )
        return told

    def _files(self) -> list[tuple[str, int]]:
        return list(self._out.walk()) if self._out.is_folder() else []

    def save(self) -> None:
        """Writes the manifest."""
        told = {
            "version": VERSION,
            "settings": self._settings.as_json(),
            "plans": self._plans,
            "shards": self.shards,
        }
        self._place.write(lambda handle: handle.write(json.dumps(told, indent=1).encode()))

    def add(self, inputs: Iterable[Input]) -> int:
        """Plans those inputs that no plan has yet; returns how many they are."""
        from pyarrow import parquet

        known = {i.path for plan in self._plans for i in self._inputs(plan)}
        fresh = [i for i in inputs if i.path not in known]
        if fresh:
            name = f"plan-{len(self._plans):05}{EXTENSION}"
            table, size = _table(fresh), self._settings.block
            (self._folder / name).write(
                lambda handle: parquet.write_table(table, handle, row_group_size=size)
            )
            blocks = -(-len(fresh) // size)
            self._plans.append({"name": name, "first": self.count, "blocks": blocks})
            self.save()
        return len(fresh)

    def _inputs(self, plan: dict[str, Any]) -> list[Input]:
        from pyarrow import parquet

        with (self._folder / plan["name"]).open() as handle:
            rows = parquet.read_table(handle, columns=list(Input._fields)).to_pylist()
        return [Input(**row) for row in rows]

    def pending(self) -> tuple[list[int], dict[int, int]]:
        """Blocks that are to be done; and those that are in no shard yet, with their bytes."""
        place = blocks_of(self._out)
        found = place.walk() if place.is_folder() else ()
        waiting = {
            int(path.removesuffix(EXTENSION)): size
            for path, size in found
            if path.removesuffix(EXTENSION).isdigit()
        }
        for block in self.done & set(waiting):  # of a kill before they were removed
            block_file(self._out, block).remove()
            del waiting[block]
        todo = [b for b in range(self.count) if b not in self.done and b not in waiting]
        return todo, waiting

    def finish(self, shard: str, blocks: list[int]) -> None:
        """Records that a shard is written, and removes its blocks."""
        self.shards[shard] = blocks
        self.save()
        self.done |= set(blocks)
        for block in blocks:
            block_file(self._out, block).remove()

    def clean(self) -> None:
        """Removes what is not needed when all is done."""
        blocks_of(self._out).remove_folder()


class Plan:
    """The inputs of a run's blocks, for whoever works on them; groups are read when needed.

    Args:
      out: OUT.
    """

    def __init__(self, out: Place) -> None:
        self._folder = out / UNFINISHED
        self._plans = json.loads((self._folder / "manifest.json").read())["plans"]
        self._files: dict[str, Any] = {}

    def inputs(self, block: int) -> list[Input]:
        """The inputs of a block."""
        from pyarrow import parquet

        plan = next(p for p in self._plans if block < p["first"] + p["blocks"])
        name = plan["name"]
        if name not in self._files:
            self._files[name] = parquet.ParquetFile((self._folder / name).open())
        found = self._files[name].read_row_group(block - plan["first"], use_threads=False)
        return [Input(**row) for row in found.to_pylist()]


def _table(inputs: list[Input]) -> Any:
    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.int64(), pa.int64(), pa.string())
    columns = zip(*inputs, strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, names=list(Input._fields))


def _difference(told: dict[str, Any], settings: Settings) -> str:
    """The first setting of a run that is another one now."""
    before, now = told.get("settings", {}), settings.as_json()
    for name, value in now.items():
        if before.get(name) != value:
            return f"its {name} was {before.get(name)}, not {value}"
    return "it was made by another version"
