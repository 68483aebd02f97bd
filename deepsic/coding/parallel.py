"""Work done ahead of need, in threads: NumPy and the range coder let go of the interpreter."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import threadpoolctl

Item = TypeVar("Item")
Result = TypeVar("Result")


def processors() -> int:
    """How many processors this process may use; OMP_NUM_THREADS holds it to fewer."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(_allowed(), int(asked)) if asked.isdigit() and int(asked) else _allowed()


def _allowed() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _libraries() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


@functools.cache
def _pool() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(processors())


def one_thread_each() -> contextlib.AbstractContextManager:
    """Holds the linear algebra library to one thread: more, below ours, wait for each other."""
    return _libraries().limit(limits=1, user_api="blas")


def ahead(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Results in the order of the items, a few of them computed before they are asked for."""
    if processors() == 1 or len(items) < 2:
        yield from map(function, items)
        return
    waiting: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    for item in items:
        waiting.append(_pool().submit(function, item))
        if len(waiting) > 2 * processors():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
