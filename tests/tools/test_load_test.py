"""The load test in its short form."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_memory_stays_and_two_processes_do_no_harm():
    command = [sys.executable, "-m", "tools.robustness.load_test", "--pictures=20", "--side=64"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("20 pictures, ")
    assert "two processes in one folder: no harm." in done.stdout
