"""Commands as people call them."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# On a busy machine Ray's workers would otherwise get next to nothing.
ENVIRONMENT = {**os.environ, "RAY_worker_niceness": "0"}


def call(*arguments, code=0, env=ENVIRONMENT):
    """Runs a command; returns its outputs after checking exit code and manners."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=900)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout, done.stderr
