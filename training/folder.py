"""The folder of a run: one process at a time, and always the same run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from deepsic import files

RECORD = "run.json"
_LOCK = ".lock"

# From the root, from a home, or by way of a folder above.
_PRIVATE = re.compile(r"(^|(?<=[=:]))(?:~[^/]*)?/.*|(?:[^/=:]+/)*\.\.?/.*")


class OtherRun(Exception):
    """The folder is another run's; the message says what is different and what to do."""


def public(arguments: Sequence[str]) -> str:
    """A command for a card that others read: of paths on this machine, only what they lead to."""

    def shorten(match: re.Match[str]) -> str:
        parts = [part for part in match[0].split("/") if part]
        wild = [i for i, part in enumerate(parts) if "*" in part or "?" in part]
        kept = min(wild, default=len(parts)) - 1  # with the folder before the first wildcard
        return "/".join(["DATA", *parts[max(kept, 0) :]])

    return " ".join(_PRIVATE.sub(shorten, argument) for argument in arguments)


def record_of(config: Any, settings: Any, labels: tuple[str, ...], start: str | None) -> dict:
    """What makes two runs the same one: all that decides the weights, but for how many steps.

    Args:
      config, settings: dataclasses.
      labels: of the classes, in the order of their ids.
      start: fingerprint of the model that the run began with, if there is one.
    """
    record = json.loads(config.to_json()) | json.loads(settings.to_json())
    del record["steps"]
    record["classes of"] = hashlib.sha256(json.dumps(labels).encode()).hexdigest()[:8]
    return record | {"init_from": start}


def number_of(record: dict) -> int:
    """A number of 48 bits, which differs where records do."""
    text = json.dumps(record, sort_keys=True)
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)


@contextlib.contextmanager
def claimed(out: pathlib.Path, record: dict, trained: bool, alone: bool = True) -> Iterator[None]:
    """Holds a folder for a run.

    Args:
      out: the folder; it is made.
      record: of `record_of`, which is kept in the folder.
      trained: whether the folder has a checkpoint.
      alone: whether this process alone writes there. Others of the same run, on other
        hosts, only compare the record.

    Raises:
      OtherRun: if another process has the folder, or the run in it is not this one.
      BadFile: if the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = open(out / _LOCK, "wb")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise files.BadFile(f"{out} cannot be written: {error.strerror}.") from error
    with handle:
        if alone and files.lock(handle.fileno()) is False:
            raise OtherRun(f"{out} is being trained by another process; name another --out.")
        if trained:
            _compare(out, record)
        if alone:
            files.write_text_atomically(
                out / RECORD, lambda text: text.write(json.dumps(record, indent=2) + "\n")
            )
        yield


def _compare(out: pathlib.Path, record: dict) -> None:
    try:
        kept = json.loads((out / RECORD).read_text())
    except FileNotFoundError:  # of a time before there were records
        return
    except (OSError, ValueError) as error:
        raise OtherRun(f"{out / RECORD} cannot be read: {error}; name another --out.") from error
    for name, now in record.items():
        before = kept.get(name, now)
        if before != now:
            raise OtherRun(
                f"{out} was trained with {_flag(name, before)}, not {_flag(name, now)}: give the"
                " same flags to resume it, or another --out to start anew."
            )


def _flag(name: str, value: Any) -> str:
    if name.startswith("classes"):
        return f"{name} {value}"
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"--{name}={text}"
