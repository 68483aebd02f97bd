"""Tasks one after the other, or in several processes, with a progress bar."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tqdm import tqdm

Task = TypeVar("Task")


class WorkerDied(Exception):
    """A process was ended from outside; what was finished is kept."""


def run(
    tasks: Sequence[Task],
    work: Callable[[Task], Any],
    *,
    jobs: int,
    description: str,
    weight: Callable[[Task], int] = lambda task: 1,
) -> Iterator[tuple[Task, Any]]:
    """Does every task and yields it with its result, in the order of finishing.

    Args:
      tasks: that can be pickled.
      work: a function of a module, which can be pickled by name.
      jobs: processes; 1 works in this one.
      description: of the progress bar, which goes to stderr if that is a terminal.
      weight: units of the bar that a task counts.

    Raises:
      WorkerDied: if a process was killed.
    """
    total = sum(map(weight, tasks))
    with tqdm(total=total, desc=description, disable=not sys.stderr.isatty()) as bar:
        finished = _in_processes(tasks, work, jobs) if jobs > 1 else _here(tasks, work)
        for task, result in finished:
            bar.update(weight(task))
            yield task, result


def _here(tasks: Sequence[Task], work: Callable[[Task], Any]) -> Iterator[tuple[Task, Any]]:
    for task in tasks:
        yield task, work(task)


def _in_processes(
    tasks: Sequence[Task], work: Callable[[Task], Any], jobs: int
) -> Iterator[tuple[Task, Any]]:
    if not tasks:
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # A forked TensorFlow hangs.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(jobs, len(tasks)), context, initializer=_limit_threads, initargs=(threads,)
    )
    try:
        pending = {pool.submit(work, task): task for task in tasks}
        for future in as_completed(pending):
            yield pending[future], future.result()
    except BrokenProcessPool as error:
        raise WorkerDied(
            "a process was ended from outside, perhaps for lack of memory; what was finished is"
            " kept, so run the same command again, with a smaller --jobs."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _limit_threads(threads: int) -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(threads)
