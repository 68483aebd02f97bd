"""Tasks one after the other, or in several processes, with a progress bar."""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from deepsic.coding import parallel

T = TypeVar("T")


class WorkerDied(Exception):
    """A process was ended from outside; what was finished is kept."""


def progress(total: int, description: str) -> Any:
    """A bar on stderr, if that is a terminal."""
    from tqdm import tqdm

    return tqdm(total=total, desc=description, disable=not sys.stderr.isatty())


def run(
    tasks: Iterable[T],
    work: Callable[[T], Any],
    jobs: int,
    start: Callable[..., None] | None = None,
    arguments: tuple = (),
) -> Iterator[tuple[T, Any]]:
    """Does every task and yields it with its result, in the order of finishing.

    Args:
      tasks: that can be pickled; taken as they are needed.
      work: a function of a module, which can be pickled by name.
      jobs: processes; 1 works in this one.
      start: a function of a module that each of several processes begins with.
      arguments: of `start`.

    Raises:
      WorkerDied: if a process was killed.
    """
    if jobs > 1:
        yield from _in_processes(iter(tasks), work, jobs, start, arguments)
    else:
        for task in tasks:
            yield task, work(task)


def _in_processes(
    tasks: Iterator[T],
    work: Callable[[T], Any],
    jobs: int,
    start: Callable[..., None] | None,
    arguments: tuple,
) -> Iterator[tuple[T, Any]]:
    first = list(itertools.islice(tasks, 1))
    if not first:
        return
    threads = max(1, parallel.processors() // jobs)
    # A forked TensorFlow hangs.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        jobs, context, initializer=_start, initargs=(threads, start, arguments)
    )
    try:
        yield from _keep_busy(pool, itertools.chain(first, tasks), work, 2 * jobs)
    except BrokenProcessPool as error:
        raise WorkerDied(
            "a process was ended from outside, perhaps for lack of memory; what was finished is"
            " kept, so run the same command again, with a smaller --jobs."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _keep_busy(
    pool: ProcessPoolExecutor, tasks: Iterator[T], work: Callable[[T], Any], waiting: int
) -> Iterator[tuple[T, Any]]:
    """Hands tasks out as others finish, so that few lie in memory at once."""
    pending = {pool.submit(work, task): task for task in itertools.islice(tasks, waiting)}
    while pending:
        done, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            yield pending.pop(future), future.result()
        for task in itertools.islice(tasks, waiting - len(pending)):
            pending[pool.submit(work, task)] = task


def _start(threads: int, start: Callable[..., None] | None, arguments: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says that it was interrupted
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if start is not None:
        start(*arguments)


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
