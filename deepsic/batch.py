"""Many files, one after the other or in several processes: lines, a bar, and a last line."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from deepsic import cli
from deepsic.errors import DeepsicError, NoRoom, OutOfReach, UserError
from deepsic.pairing import Job, Plan

if TYPE_CHECKING:
    from deepsic.labels import Label

# Errors of one bad file; the others go on.
EXPECTED = (DeepsicError, OSError)
# The exit code where no model gives what was asked for.
OUT_OF_REACH = 3


class Done(NamedTuple):
    """What came of a job.

    Attributes:
      line: for people.
      record: for programs, as JSON holds it.
      read, written: bytes.
      short: whether it is less than what was asked for.
    """

    line: str
    record: dict[str, Any]
    read: int = 0
    written: int = 0
    short: bool = False


Work = Callable[[Job], Done]


def run(
    plan: Plan,
    work: Work,
    *,
    processes: int = 1,
    as_json: bool = False,
    to_stderr: bool = False,
    advise: Callable[[str], str] = lambda extension: "",
) -> int:
    """Does every job and says what came of it.

    Args:
      plan: from `pairing.plan`.
      work: does one; of a module's own, where there are several processes.
      processes: how many; 1 works in this one.
      as_json: a line of JSON each, on stdout, failures among them.
      to_stderr: where stdout is taken by a picture.
      advise: what makes an extension that was left aside readable, if something does.

    Returns:
      The exit code: 1 if any job failed, OUT_OF_REACH if one was asked for too much or too little.

    Raises:
      UserError: if there is no room for any file.
    """
    done: list[Done] = []
    failed, out_of_reach, jobs = 0, 0, plan.jobs
    bar = _bar(len(jobs))
    with bar:
        for job, result in _results(jobs, work, min(processes, len(jobs))):
            if isinstance(result, NoRoom):
                left = len(jobs) - len(done) - failed - 1
                more = f" {left} more files were not tried." if left else ""
                raise UserError(f"{result}{more}") from result
            if isinstance(result, Exception):
                failed += 1
                out_of_reach += isinstance(result, OutOfReach)
                text, record, stream = (
                    _describe_failure(job, result),
                    _failure(job, result),
                    sys.stderr,
                )
            else:
                done.append(result)
                text, record, stream = result.line, result.record, sys.stdout
            if as_json:
                text, stream = json.dumps(record), sys.stdout
            bar.write(text, sys.stderr if to_stderr else stream)
            bar.update()
    last = [_summary(done, failed, plan.present)] if plan.several else []
    for line in [*last, plan.describe_aside(advise)]:
        if line:
            print(line, file=sys.stderr)
    if failed > out_of_reach:
        return 1
    return OUT_OF_REACH if out_of_reach or any(one.short for one in done) else 0


class _Silent:
    """Instead of a bar, where nobody watches."""

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...

    def update(self) -> None: ...

    def write(self, text: str, file: Any) -> None:
        print(text, file=file, flush=True)


def _bar(count: int) -> Any:
    if count < 2 or not sys.stderr.isatty():
        return _Silent()
    from tqdm import tqdm

    return tqdm(total=count, unit="file")


def _summary(done: Sequence[Done], failed: int, present: int) -> str:
    """Such as: 34 pictures, 12.1 MB → 0.9 MB, 1 failed."""
    if present and not done and not failed:
        return f"nothing to do: all {present} are there."
    parts = [f"{len(done)} picture{'s' * (len(done) != 1)}"]
    written = sum(each.written for each in done)
    if written:
        read = sum(each.read for each in done)
        parts.append(f"{_megabytes(read)} → {_megabytes(written)}")
    if failed:
        parts.append(f"{failed} failed")
    if present:
        parts.append(f"{present} were there")
    return ", ".join(parts)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def _describe_failure(job: Job, error: Exception) -> str:
    message = cli.explain(error)
    prefix = "" if str(job.source) in message else f"{job.source or 'stdin'}: "
    return f"error: {prefix}{message}"


def _failure(job: Job, error: Exception) -> dict[str, Any]:
    return {"source": job.source and str(job.source), "error": cli.explain(error)}


def _attempt(work: Work, job: Job) -> Done | Exception:
    try:
        return work(job)
    except EXPECTED as error:
        return error


def _results(
    jobs: Sequence[Job], work: Work, processes: int
) -> Iterator[tuple[Job, Done | Exception]]:
    attempt = functools.partial(_attempt, work)
    if processes < 2:
        yield from ((job, attempt(job)) for job in jobs)
        return
    from deepsic import workers  # which takes longer to import than a sentence to say

    try:
        module = getattr(work, "func", work).__module__
        yield from workers.run(jobs, attempt, processes, _start, (module, sys.argv))
    except workers.WorkerDied as error:
        raise UserError(
            "a process was ended from outside, perhaps for lack of memory; what was finished is"
            " kept, so run the same again with --skip_existing and a smaller --jobs."
        ) from error


def _start(module: str, arguments: list[str]) -> None:
    """Gives a new process the flags of this one, which the module of a command defines."""
    importlib.import_module(module)
    sys.argv = arguments
    cli.parse()


def keep_time(source: pathlib.Path | None, target: pathlib.Path | None) -> None:
    """Gives a file that was made the time of the one that it was made of."""
    if source is not None and target is not None:
        status = os.stat(source)
        with contextlib.suppress(OSError):  # some file systems keep none
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def describe_label(label: Label) -> dict[str, Any]:
    """A label as JSON holds it."""
    return {
        "name": label.name,
        "probability": round(label.probability, 4),
        "levels": list(label.levels),
        "alternatives": [
            {"name": each.name, "probability": round(each.probability, 4)}
            for each in label.alternatives
        ],
    }
