"""A bulk run from its manifest to its shards."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Callable
from typing import Any

from deepsic.archives.schema import EXTENSION
from deepsic.bulk.assemble import assemble
from deepsic.bulk.cluster import Alone, Cluster
from deepsic.bulk.manifest import Manifest
from deepsic.bulk.settings import Settings
from deepsic.search.reading import progress
from deepsic.search.scan import UNFINISHED

# Of a shard, bytes.
SHARD_BYTES = 256 << 20


@dataclasses.dataclass
class Outcome:
    """What a run came to, this time.

    Attributes:
      rows, bad: that were made, and those with a reason instead of a file.
      before: blocks that had been done before.
      seconds: from the first block's start to the last shard's end.
      work: seconds of all workers together.
      nodes: rows by the node that made them.
    """

    rows: int = 0
    bad: int = 0
    before: int = 0
    seconds: float = 0.0
    work: float = 0.0
    nodes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


class Run:
    """Does what a manifest says is left.

    Args:
      settings: of the run.
      manifest: of it, with all inputs planned.
      cluster: who does the work.
      shard_bytes: of a shard, about.
    """

    def __init__(
        self,
        settings: Settings,
        manifest: Manifest,
        cluster: Cluster | Alone,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        self._settings, self._manifest, self._cluster = settings, manifest, cluster
        self._shard_bytes = shard_bytes
        self._waiting: dict[int, int] = {}
        self._calls: list[tuple[str, list[int], Any]] = []
        self._shards = len(manifest.shards)

    def finish(self, tell: Callable[[str], None]) -> Outcome:
        """Does all blocks and assembles all shards.

        Args:
          tell: gets a line for every shard.

        Raises:
          DeepsicError: if something is wrong with all blocks, such as a full disk.
        """
        start, outcome = time.monotonic(), Outcome()
        todo, self._waiting = self._manifest.pending()
        outcome.before = self._manifest.count - len(todo)
        self._assemble(tell)
        if todo:
            for node, report in progress(
                self._cluster.work(self._settings, todo), "blocks", len(todo)
            ):
                outcome.rows += report.rows
                outcome.bad += report.bad
                outcome.work += report.seconds
                outcome.nodes[node] += report.rows
                self._waiting[report.block] = report.bytes
                self._assemble(tell)
        self._assemble(tell, last=True)
        self._manifest.clean()
        outcome.seconds = time.monotonic() - start
        return outcome

    def _assemble(self, tell: Callable[[str], None], last: bool = False) -> None:
        """Has shards written of what waits, and records those that are."""
        while self._waiting and (last or sum(self._waiting.values()) >= self._shard_bytes):
            self._start()
        still = []
        for name, blocks, call in self._calls:
            if self._cluster.finished(call, wait=last):
                self._manifest.finish(name, blocks)
                tell(f"{name}: {len(blocks)} blocks")
            else:
                still.append((name, blocks, call))
        self._calls = still

    def _start(self) -> None:
        blocks, size = [], 0
        for block in sorted(self._waiting):
            blocks.append(block)
            size += self._waiting.pop(block)
            if size >= self._shard_bytes:
                break
        name = f"part-{self._shards:05}{EXTENSION}"
        if self._settings.format == "files":
            name = f"{UNFINISHED}/rows-{self._shards:05}{EXTENSION}"
        self._shards += 1
        call = self._cluster.start(assemble, self._settings.out, name, blocks)
        self._calls.append((name, blocks, call))
