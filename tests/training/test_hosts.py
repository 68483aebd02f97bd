"""Hosts that are described wrongly, do not come, or are killed: one sentence, in bounded time."""

import contextlib
import json
import signal
import subprocess
import sys
import time

import pytest

from tests.training.processes import ROOT, environments, start
from tools.robustness.small_pictures import write_class_folders
from training.hosts import check_tf_config, place_of

TWO = {"worker": ["a:1", "b:1"]}


@pytest.mark.parametrize(
    "config",
    [
        None,
        "two hosts",
        "[]",
        {"cluster": TWO},
        {"cluster": TWO, "task": {"type": "worker", "index": 2}},
        {"cluster": TWO, "task": {"type": "chief", "index": 0}},
        {"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}},
        {"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 0}},
        {"cluster": TWO | {"ps": ["c:1"]}, "task": {"type": "worker", "index": 0}},
    ],
)
def test_a_tf_config_that_describes_no_hosts_is_refused(monkeypatch, config):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="needs TF_CONFIG, which names all hosts"):
        check_tf_config()


@pytest.mark.parametrize("job", ["chief", "worker"])
def test_a_tf_config_that_describes_hosts_is_taken(monkeypatch, job):
    config = {"cluster": TWO | {"chief": ["c:1"]}, "task": {"type": job, "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    check_tf_config()


def test_the_chief_is_the_first_host():
    assert place_of(TWO, "worker", 0) == (0, 2)
    with_chief = TWO | {"chief": ["c:1"]}
    assert place_of(with_chief, "chief", 0) == (0, 3)
    assert place_of(with_chief, "worker", 1) == (2, 3)


BOUNDED = """
import time
from training import hosts
hosts.PATIENCE = 1.0
with hosts.bounded("nobody came.") as alive:
    for _ in range(4):
        time.sleep(0.5)
        alive()
print("still here", flush=True)
with hosts.bounded("nobody came."):
    time.sleep(60)
"""


def test_a_process_that_waits_in_vain_ends_with_a_sentence():
    command = [sys.executable, "-c", BOUNDED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == "still here\n"
    # A current TensorFlow says things of its own before.
    assert done.stderr.endswith("-c: nobody came.\n")


def wait_for(path, processes):
    """Until a file is there; fails where a process ends before."""
    while not path.exists():
        for process in processes:
            assert process.poll() is None, process.communicate()
        time.sleep(0.1)


def newest(folder):
    return max(int(path.stem.removeprefix("ckpt-")) for path in folder.glob("ckpt-*.index"))


def test_hosts_go_on_from_the_last_checkpoint_after_one_was_killed(tmp_path):
    pictures, out = write_class_folders(tmp_path / "pictures"), tmp_path / "run"
    command = ["train.py", "--strategy=multi_worker", f"--dataset=folder:{pictures}"]
    command += ["--filters=8", "--latents=8", "--head_width=8", "--batch=2", "--patch=32"]
    command += ["--parts=prior", "--checkpoint_minutes=0", f"--out={out}"]
    command += ["--context_steps=2", "--context_maps=8", "--context_patch=64"]
    with contextlib.ExitStack() as stack:

        def run(steps):
            processes = [start([*command, f"--steps={steps}"], e) for e in environments(2)]
            for process in processes:
                stack.callback(process.kill)
            return processes

        processes = run(1_000_000)
        wait_for(out / "train" / "ckpt-3.index", processes)
        processes[1].kill()
        _, errors = processes[0].communicate(timeout=120)
        assert processes[0].returncode == 1
        # Some versions of TensorFlow log more.
        (said_why,) = [line for line in errors.splitlines() if line.startswith("train.py:")]
        assert "another host is gone or hangs; start the same command" in said_why
        assert "Traceback" not in errors

        reached = newest(out / "train")
        processes = run(reached + 3)
        said = [process.communicate(timeout=300) for process in processes]
        assert [process.returncode for process in processes] == [0, 0], said[0][1] + said[1][1]
        assert all("resumed at step" in output for output, _ in said)
        assert newest(out / "train") == reached + 3
        assert "host 1 of 2 is done; host 0 writes the model." in said[1][0]
        assert (out / "model").is_dir()
