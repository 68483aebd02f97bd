"""The same results with one process and with several."""

import os
import signal
import subprocess
import sys

import pytest

from deepsic import workers


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


def test_processes_end_with_a_killed_parent():
    code = (
        "import os, signal, sys\n"
        "from deepsic import workers\n"
        "from tests.deepsic.test_workers import number\n"
        "if __name__ == '__main__':\n"
        "    for _, pid in workers.run(range(9), number, 2):\n"
        "        print(pid, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    # Its outputs end once nobody holds them open: were a process left, this would wait for it.
    assert int(done.stdout) > 0


def number(task):
    return os.getpid()
