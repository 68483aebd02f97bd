"""Which files a command reads, and which file it makes of each."""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from deepsic.errors import UserError
from deepsic.files import is_temporary

# What stands for standard input or output among the arguments.
STREAM = "-"
# What macOS writes beside files on foreign disks.
_MACOS = "._"


class Job(NamedTuple):
    """One file to read and one to write.

    Attributes:
      source: None for standard input.
      target: None for standard output, or where nothing is written.
    """

    source: pathlib.Path | None
    target: pathlib.Path | None


@dataclasses.dataclass
class Plan:
    """What a command is to do.

    Attributes:
      jobs: in the order of their names.
      present: how many are left out because their target is there.
      aside: extensions of files in folders that are not read, and how many have each.
    """

    jobs: list[Job]
    present: int = 0
    aside: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    @property
    def several(self) -> bool:
        """Whether there is more than one file, or nothing left to do."""
        return len(self.jobs) + self.present != 1 or not self.jobs

    def describe_aside(self, advise: Callable[[str], str] = lambda extension: "") -> str:
        """A line on what was left aside; empty if nothing was.

        Args:
          advise: what makes an extension readable, if something does.
        """
        parts = []
        for extension, count in sorted(self.aside.items(), key=lambda item: (-item[1], item[0])):
            advice = advise(extension)
            parts.append(f"{count} {extension}" + (f" ({advice})" if advice else ""))
        return f"left aside: {', '.join(parts)}" if parts else ""


def split_arguments(
    rest: Sequence[str], out: str | None, written: Collection[str]
) -> tuple[list[str], str | None]:
    """Tells a command's INs from its OUT.

    Args:
      rest: the arguments that are no flags.
      out: that was given by a flag; then all arguments are INs.
      written: extensions of files that can be an OUT, with their dots.

    Returns:
      The INs, and OUT; None if it is to be derived from IN.

    Raises:
      UserError: if there is no IN, or what stands in OUT's place can be none.
    """
    if not rest:
        raise UserError("it takes at least one argument: IN.")
    if out is not None or len(rest) == 1:
        return list(rest), out
    *inputs, last = rest
    if last in inputs and last != STREAM:
        raise UserError(f"{last} would be replaced by what is made of it; name another OUT.")
    if last == STREAM or last.endswith(os.sep) or os.path.isdir(last):
        return inputs, last
    if pathlib.Path(last).suffix.lower() in written:
        return inputs, last
    if os.path.isdir(inputs[0]) and len(inputs) == 1 and not os.path.exists(last):
        return inputs, last
    if os.path.exists(last):
        return list(rest), None
    raise UserError(
        f"{last} does not end in {' or '.join(sorted(written))}; of a folder, end it in a slash."
    )


def plan(
    inputs: Sequence[str],
    out: str | None,
    read: Collection[str],
    extension: str,
    *,
    overwrite: bool = False,
    skip_existing: bool = False,
    write: bool = True,
) -> Plan:
    """What is to be done.

    Args:
      inputs: files, folders that are searched with their subfolders, or `STREAM`.
      out: a file; a folder, new ones ending in a slash unless there is a folder among the inputs;
        `STREAM`; or None, and each target is beside its source.
      read: extensions of files to take in a folder, with their dots.
      extension: of files to write, where a name is made up.
      overwrite: replace files that are there.
      skip_existing: leave out jobs whose target is there.
      write: whether anything is written.

    Raises:
      UserError: if there is nothing to do, or something would be overwritten.
    """
    if STREAM in inputs or out == STREAM:
        return Plan([_stream(inputs, out)])
    sources: list[tuple[pathlib.Path, pathlib.Path]] = []
    aside: collections.Counter[str] = collections.Counter()
    for each in map(pathlib.Path, inputs):
        sources += _find(each, read, {*read, extension}, aside)
    several = len(inputs) > 1 or os.path.isdir(inputs[0])
    if not write:
        return Plan([Job(source, None) for source, _ in sources], 0, aside)
    root = _root(inputs, out, several)
    jobs = [Job(s, _target(s, name, root, out, extension)) for s, name in sources]
    jobs = _rename_clashing(jobs, extension)
    _check_writable(jobs)
    whole = len(jobs)
    if skip_existing:
        jobs = [job for job in jobs if job.target is not None and not job.target.exists()]
    elif not overwrite:
        there = next((t for _, t in jobs if t is not None and t.exists()), None)
        if there is not None:
            raise UserError(f"{there} exists; --overwrite replaces it, --skip_existing keeps it.")
    return Plan(jobs, whole - len(jobs), aside)


def _stream(inputs: Sequence[str], out: str | None) -> Job:
    if len(inputs) > 1:
        raise UserError(f"with {STREAM} there is one IN.")
    source = None if inputs[0] == STREAM else pathlib.Path(inputs[0])
    if source is not None and not source.is_file():
        raise UserError(f"{source} is no file.")
    return Job(source, None if out in (None, STREAM) else pathlib.Path(str(out)))


def _find(
    place: pathlib.Path,
    read: Collection[str],
    known: Collection[str],
    aside: collections.Counter[str],
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Files of a place that are read, with their paths from there."""
    if not place.is_dir():
        if not place.exists():
            raise UserError(f"{place} does not exist.")
        if not place.is_file():
            raise UserError(f"{place} is no file and no folder.")
        return [(place, pathlib.Path(place.name))]
    found = []
    for path in sorted(_files_in(place)):
        kind = path.suffix.lower()
        if path.name.startswith(_MACOS):
            aside[f"{_MACOS}* of macOS"] += 1
        elif kind in read:
            found.append((path, path.relative_to(place)))
        elif kind not in known and not is_temporary(path.name):
            aside[kind or path.name] += 1
    if not found:
        left = Plan([], 0, aside).describe_aside()
        raise UserError(f"{place} holds no file that is read here{left and '; '}{left}.")
    return found


def _files_in(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Plain files, and links that lead nowhere; a pipe or device would keep the work waiting."""
    for path in folder.rglob("*"):
        if path.is_file() or (path.is_symlink() and not path.exists()):
            yield path


def _root(inputs: Sequence[str], out: str | None, several: bool) -> pathlib.Path | None:
    """The folder of all targets; None if there is none."""
    if out is None:
        return None
    root = pathlib.Path(out)
    if several and (root.is_file() or (root.suffix and not root.is_dir() and out[-1] != os.sep)):
        what = f"{inputs[0]} is a folder" if len(inputs) == 1 else "there are several INs"
        raise UserError(f"{what}, so {root} must be a folder too; end a new one in a slash.")
    return root if several or root.is_dir() or out.endswith(os.sep) else None


def _target(
    source: pathlib.Path,
    name: pathlib.Path,
    root: pathlib.Path | None,
    out: str | None,
    extension: str,
) -> pathlib.Path:
    if root is not None:
        return (root / name).with_suffix(extension)
    return source.with_suffix(extension) if out is None else pathlib.Path(out)


def _rename_clashing(jobs: list[Job], extension: str) -> list[Job]:
    """Targets that several sources would have get the whole names of these."""
    counts = collections.Counter(target for _, target in jobs)
    renamed: list[Job] = []
    seen: dict[pathlib.Path, pathlib.Path] = {}
    for source, target in jobs:
        assert source is not None
        assert target is not None
        if counts[target] > 1:
            target = target.with_name(source.name + extension)
        if target in seen:
            raise UserError(f"{seen[target]} and {source} would both be {target}; rename one.")
        if target.exists() and source.exists() and target.samefile(source):
            raise UserError(f"{source} would be replaced by what is made of it; name another OUT.")
        seen[target] = source
        renamed.append(Job(source, target))
    return renamed


def _check_writable(jobs: list[Job]) -> None:
    """Raises UserError if a target's folder can neither be written nor made."""
    for folder in {target.parent for _, target in jobs if target is not None}:
        there = folder
        while not there.exists() and there != there.parent:
            there = there.parent
        if not there.is_dir():
            raise UserError(f"{folder} cannot be written: {there} is no folder.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UserError(f"{folder} cannot be written: nobody may write to {there}.")
