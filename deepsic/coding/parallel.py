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


_most: int | None = None


def limit_processors(most: int) -> None:
    """Lets this process use no more processors than that; before it uses any."""
    global _most
    _most = most


def processors() -> int:
    """How many processors this process may use."""
    if _most is not None:
        return _most
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
