"""Blocks on Ray Data: actors that hold one warm codec each, on this machine or on a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from deepsic import extras
from deepsic.bulk.settings import Settings
from deepsic.bulk.work import Report
from deepsic.errors import DeepsicError

if TYPE_CHECKING:
    from deepsic.bulk.work import Worker

EXTRA = "bulk"
# Of the memory in which Ray passes on what blocks came to, which is little.
STORE_BYTES = 200 << 20
_LOGGERS = ("ray", "ray.data", "ray.serve", "ray.tune")


class ClusterError(DeepsicError):
    """The cluster cannot be reached, or gave up."""


class Actor:
    """One worker with its models.

    Args:
      settings: of the run.
    """

    def __init__(self, settings: Settings) -> None:
        import ray

        self._settings = settings
        self._worker: Worker | None = None
        self._node = ray.get_runtime_context().get_node_id()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Does a block; what goes wrong for all of them is told, as raising it would retry."""
        from deepsic.bulk.work import Worker

        try:
            self._worker = self._worker or Worker(self._settings)
            report = self._worker.work(int(row["block"]))
            return {**report._asdict(), "node": self._node, "error": ""}
        except DeepsicError as error:
            told = Report(int(row["block"]), 0, 0, 0, 0.0)
            return {**told._asdict(), "node": self._node, "error": str(error)}


class Cluster:
    """Ray, started here or joined.

    Args:
      address: of a cluster; None for Ray on this machine.
      workers: on this machine; as many as processors if None.

    Raises:
      ClusterError: if it cannot be reached or started.
      PackageMissing: if Ray is not installed.
    """

    def __init__(self, address: str | None, workers: int | None) -> None:
        # Ray warns of what a later version will do to GPUs, which nothing here uses.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self._ray = extras.need(EXTRA, "ray", "ray.data")
        from deepsic.coding.parallel import processors

        options: dict[str, Any] = (
            {"address": address}
            if address
            else {
                "address": "local",
                "num_cpus": workers or processors(),
                "object_store_memory": STORE_BYTES,
                "include_dashboard": False,
            }
        )
        try:
            self._ray.init(
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                runtime_env=_environment(),
                **options,
            )
        except Exception as error:  # of many kinds
            line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise ClusterError(f"Ray cannot be started: {line}.") from error
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        context = self._ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = False
        context.log_internal_stack_trace_to_stdout = False

    @property
    def processors(self) -> int:
        """Of all nodes."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def work(self, settings: Settings, blocks: Sequence[int]) -> Iterator[tuple[str, Report]]:
        """Does blocks, in no certain order; those of a worker that dies are done by another.

        Yields:
          The node that did a block, and what came of it.

        Raises:
          ClusterError: if a block cannot be done.
        """
        workers = min(self.processors, len(blocks))
        items = self._ray.data.from_items(
            [{"block": block} for block in blocks], override_num_blocks=len(blocks)
        )
        done = items.map(
            Actor, fn_constructor_args=(settings,), num_cpus=1, concurrency=(1, workers)
        )
        try:
            for row in done.iter_rows():
                if row["error"]:
                    raise ClusterError(row["error"])
                yield row["node"], Report(*(row[name] for name in Report._fields))
        except ClusterError:
            raise
        except Exception as error:  # whatever Ray wraps it into
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ClusterError(f"the cluster gave up: {lines[-1].strip().rstrip('.')}.") from error

    def start(self, function: Callable, *arguments: Any) -> Any:
        """Calls a function on some node; returns what `finished` takes."""
        task = self._ray.remote(function).options(num_cpus=0, max_retries=-1)
        return task.remote(*arguments)

    def finished(self, call: Any, wait: bool = False) -> bool:
        """Whether a call of `start` is done; raises what the function raised."""
        ready, _ = self._ray.wait([call], timeout=None if wait else 0)
        if ready:
            try:
                self._ray.get(call)
            except self._ray.exceptions.RayTaskError as error:
                cause = error.cause or error
                raise ClusterError(str(cause).strip().splitlines()[-1]) from error
        return bool(ready)

    def close(self) -> None:
        """Leaves the cluster, or stops Ray here."""
        with contextlib.suppress(Exception):
            self._ray.shutdown()


class Alone:
    """The same in this process, for work that is mostly reading and writing."""

    processors = 1

    def work(self, settings: Settings, blocks: Sequence[int]) -> Iterator[tuple[str, Report]]:
        """See `Cluster.work`."""
        from deepsic.bulk.work import Worker

        worker = Worker(settings)
        for block in blocks:
            yield "here", worker.work(block)

    def start(self, function: Callable, *arguments: Any) -> Any:
        """See `Cluster.start`."""
        function(*arguments)

    def finished(self, call: Any, wait: bool = False) -> bool:
        """See `Cluster.finished`."""
        return True

    def close(self) -> None:
        """See `Cluster.close`."""


def _environment() -> dict[str, Any]:
    """What workers need to find this library, if it is not installed but used from a clone."""
    root = pathlib.Path(__file__).resolve().parents[2]
    if {"site-packages", "dist-packages"} & set(root.parts):
        return {}
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"env_vars": {"PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"}}
