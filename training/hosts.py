"""Several hosts that train one model: who is who, what they agree on, and what ends them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import tensorflow as tf

from deepsic import cli
from models import replicas

# Seconds that a host waits for the others, at the start and in every step: they compile, and
# fill the buffers that they shuffle pictures in.
PATIENCE = 600.0
# What a host is told when another one is gone; which of these depends on who noticed first.
GONE = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)
EXAMPLE = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'


class HostLost(Exception):
    """Another host is gone, or is not of this run; the message says what to do."""


class Hosts:
    """The hosts of a strategy.

    Attributes:
      index: of this one. The first, the chief, alone writes files.
      count: how many there are.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        resolver = strategy.cluster_resolver
        cluster = resolver.cluster_spec().as_dict() if resolver is not None else {}
        self.index, self.count = 0, 1
        if cluster:
            self.index, self.count = place_of(cluster, resolver.task_type, resolver.task_id)
        self.strategy = strategy
        self._totals = tf.function(self._all_totals, autograph=False)

    @property
    def chief(self) -> bool:
        """Whether this host writes the run's files."""
        return self.index == 0

    def any(self, *flags: bool) -> list[bool]:
        """Of each flag, whether it is set on some host; all hosts must ask at once."""
        if self.count == 1:
            return list(flags)
        return [bool(total > 0) for total in self._totals(tf.constant(flags, tf.float64)).numpy()]

    def check_same(self, number: int, otherwise: str) -> None:
        """Raises HostLost with the sentence `otherwise` on all hosts that differ in a number."""
        if self.count == 1:
            return
        mean = float(self._totals(tf.constant([number], tf.float64))[0])
        # Where only some differ from the mean, the others are told that these are gone.
        if mean / self.strategy.num_replicas_in_sync != number:
            raise HostLost(otherwise)

    def _all_totals(self, values: tf.Tensor) -> tf.Tensor:
        found = self.strategy.run(lambda v: replicas.total(tf.identity(v)), args=(values,))
        return self.strategy.experimental_local_results(found)[0]

    @contextlib.contextmanager
    def together(self) -> Iterator[Callable[[], None]]:
        """Lets no lost host hang this one: yields what is called at every step.

        Raises:
          HostLost: if TensorFlow says that another host is gone. A host that is there but
            does nothing is noticed after PATIENCE, and ends the process.
        """
        if self.count == 1:
            yield lambda: None
            return
        lost = (
            "another host is gone or hangs; start the same command on all hosts again, and"
            " they go on from the last checkpoint."
        )
        try:
            with bounded(lost) as alive:
                yield alive
        except GONE as error:
            raise HostLost(lost) from error


@contextlib.contextmanager
def bounded(sentence: str) -> Iterator[Callable[[], None]]:
    """Ends the process with a sentence on stderr where nothing happens for PATIENCE.

    Another process does: while TensorFlow joins a cluster, no thread of this one runs. Yields
    what says that something has happened.
    """
    command = [sys.executable, "-S", "-c", _WATCH, str(os.getpid()), str(PATIENCE)]
    watch = subprocess.Popen(
        [*command, f"{cli.program()}: {sentence}"],
        stdin=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,  # Ctrl-C is for this process
    )
    pipe = watch.stdin
    assert pipe is not None

    def alive() -> None:
        pipe.write(b".")

    try:
        yield alive
    finally:
        pipe.close()
        watch.wait()


# It ends with the process that it watches: then its input does.
_WATCH = """
import os, select, signal, sys
while select.select([0], [], [], float(sys.argv[2]))[0]:
    if not os.read(0, 4096):
        sys.exit()
print(sys.argv[3], file=sys.stderr, flush=True)
os.kill(int(sys.argv[1]), signal.SIGKILL)
"""


def place_of(cluster: dict[str, list[str]], job: str, task: int) -> tuple[int, int]:
    """Index of a host and number of hosts; those of the job `chief` come first."""
    chiefs, workers = (len(cluster.get(name, [])) for name in ("chief", "worker"))
    return task + (chiefs if job == "worker" else 0), chiefs + workers


def check_tf_config() -> None:
    """Raises ValueError where TF_CONFIG does not describe the hosts and this one's place."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        found = json.loads(text)
        cluster, task = found["cluster"], found["task"]
        hosts = [host for name in cluster for host in cluster[name]]
        fits = set(cluster) <= {"chief", "worker"} and 0 <= task["index"] < len(
            cluster[task["type"]]
        )
        fits = fits and len(set(hosts)) == len(hosts) and all(":" in host for host in hosts)
    except (ValueError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise ValueError(
            "--strategy=multi_worker needs TF_CONFIG, which names all hosts with their ports and"
            f" this one's index, such as TF_CONFIG='{EXAMPLE}'; it is {text or 'not set'}."
        )
