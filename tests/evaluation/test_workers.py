"""The same results with one process and with several."""

import os
import signal

import pytest

from evaluation import workers


def double(task):
    return 2 * task


def die(task):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(task):
    raise OSError(f"task {task}")


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_done(jobs):
    assert sorted(workers.run(iter(range(9)), double, jobs)) == [(i, 2 * i) for i in range(9)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_task_is_no_work(jobs):
    assert list(workers.run([], die, jobs)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_come_through(jobs):
    with pytest.raises(OSError, match="task 1"):
        list(workers.run([1], fail, jobs))


def test_a_killed_process_is_named():
    with pytest.raises(workers.WorkerDied, match="--jobs"):
        list(workers.run([1, 2, 3], die, 2))
