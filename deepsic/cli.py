"""What all commands share: flags, exit codes, and errors as one sentence."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Callable, Collection, Iterator
from typing import Any

from absl import app, flags

from deepsic.errors import DeepsicError, NoRoom, TooManyPixels


class UserError(DeepsicError):
    """Something the user can mend; the message is one sentence that says how."""


def run(main: Callable[[list[str]], int | None], doc: str) -> None:
    """Parses the flags, calls `main` with the other arguments, exits with its code.

    TensorFlow 2.14 must not be imported under `absl.app.run`: it would then make
    its context before it is set to run eagerly, and comparisons of tensors
    inside `tf.function` would compare identities. So that TensorFlow need not be
    imported for `--help` either, only absl's flags are used.

    Args:
      main: gets the arguments that are no flags; returns the exit code.
      doc: printed by --help.
    """
    app.define_help_flags()
    sys.modules["__main__"].__doc__ = doc
    try:
        code = main(_parse())
        sys.stdout.flush()
    except flags.Error as error:
        _fail(f"{error} (--help lists the flags)", 2)
    except DeepsicError as error:
        _fail(explain(error), 1)
    except KeyboardInterrupt:
        _fail("interrupted.", 130)
    except BrokenPipeError:  # whoever read the output has seen enough, as `| head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code or 0)


def _parse() -> list[str]:
    try:
        return flags.FLAGS(sys.argv)[1:]
    except SystemExit:  # of --help, to which absl gives 1
        sys.exit(0)


def program() -> str:
    """What this process was called as."""
    return sys.argv[0].rsplit("/", 1)[-1]


def command() -> str:
    """What a user types to call this process, before its arguments."""
    name = program()
    return f"python {name}" if name.endswith(".py") else name


def explain(error: Exception) -> str:
    """What went wrong, and the flag that mends it where there is one."""
    if isinstance(error, TooManyPixels):
        return f"{str(error).rstrip('.')}; --max_pixels={error.pixels} allows it."
    return str(error)


def _fail(message: str, code: int) -> None:
    print(f"{program()}: {message}", file=sys.stderr)
    sys.exit(code)


def warn(message: str) -> None:
    """A sentence on stderr that does not stop the work."""
    print(f"warning: {message}", file=sys.stderr)


def check_colour(name: str | None) -> None:
    """Raises UserError if a name is given and no colour's."""
    if name is not None:
        from deepsic.picture import parse_colour

        try:
            parse_colour(name)
        except ValueError as error:
            raise UserError(
                f"--background takes a colour such as white or #336699: {error}."
            ) from error


Job = tuple[pathlib.Path, pathlib.Path | None]


def pair_files(
    source: pathlib.Path,
    out: str | None,
    extensions: Collection[str],
    extension: str,
    *,
    overwrite: bool,
    skip_existing: bool,
) -> list[Job]:
    """What is to be done: pairs of a file to read and a file to write.

    Args:
      source: a file, or a folder that is searched with its subfolders.
      out: a file or a folder alike, a new folder ending in a slash where the source is
        a file; None if nothing is written.
      extensions: of files to take in a folder, with their dots.
      extension: of files to write in a folder.
      overwrite: replace files that are there.
      skip_existing: leave out pairs whose target is there.

    Raises:
      UserError: if there is nothing to do, or something would be overwritten.
    """
    target = None if out is None else pathlib.Path(out)
    if not source.exists():
        raise UserError(f"{source} does not exist.")
    if not source.is_dir():
        if not source.is_file():
            raise UserError(f"{source} is no file and no folder.")
        if target is not None and (target.is_dir() or str(out).endswith(os.sep)):
            target = target / f"{source.stem}{extension}"
        jobs: list[Job] = [(source, target)]
    else:
        if target is not None and target.exists() and not target.is_dir():
            raise UserError(f"{source} is a folder, so {target} must be one too.")
        found = sorted(p for p in _files_in(source) if p.suffix.lower() in extensions)
        if not found:
            raise UserError(f"{source} holds no file with one of: {' '.join(sorted(extensions))}")
        jobs = [(p, _target_in(p, source, target, extension)) for p in found]
        _check_distinct(jobs)
    for path, to in jobs:
        if to is not None and to.exists() and path.exists() and to.samefile(path):
            raise UserError(f"{path} would be replaced by what is made of it; name another OUT.")
    if skip_existing:
        jobs = [(s, t) for s, t in jobs if t is None or not t.exists()]
    elif not overwrite:
        there = next((t for _, t in jobs if t is not None and t.exists()), None)
        if there is not None:
            raise UserError(f"{there} exists; --overwrite replaces it, --skip_existing keeps it.")
    return jobs


def _files_in(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Plain files, and links that lead nowhere; a pipe or device would keep the work waiting."""
    for path in folder.rglob("*"):
        if path.is_file() or (path.is_symlink() and not path.exists()):
            yield path


def _target_in(path, source, target, extension) -> pathlib.Path | None:
    if target is None:
        return None
    return target / path.relative_to(source).with_suffix(extension)


def _check_distinct(jobs: list[Job]) -> None:
    seen: dict[pathlib.Path, pathlib.Path] = {}
    for source, target in jobs:
        if target is None:
            continue
        if target in seen:
            raise UserError(
                f"{seen[target]} and {source} would both be written to {target}; rename one."
            )
        seen[target] = source


def run_jobs(
    jobs: list[Job],
    work: Callable[[pathlib.Path, pathlib.Path | None], str],
    expected: tuple[type[Exception], ...],
) -> int:
    """Does every job, with a progress bar if there are several.

    Args:
      jobs: from `pair_files`.
      work: does one and returns the line to print.
      expected: errors of one bad file; the others go on.

    Returns:
      The exit code: 1 if any job failed.

    Raises:
      UserError: if there is no room for any file.
    """
    failed = 0
    bar: Any = jobs
    if len(jobs) > 1 and sys.stderr.isatty():
        from tqdm import tqdm

        bar = tqdm(jobs, unit="file")
    for number, (source, target) in enumerate(bar):
        try:
            line = work(source, target)
        except NoRoom as error:
            left = len(jobs) - number - 1
            more = f" {left} more files were not tried." if left else ""
            raise UserError(f"{error}{more}") from error
        except expected as error:
            failed += 1
            message = explain(error)
            prefix = "" if str(source) in message else f"{source}: "
            print(f"error: {prefix}{message}", file=sys.stderr)
        else:
            print(line, flush=True)
    if failed and len(jobs) > 1:
        print(f"error: {failed} of {len(jobs)} files failed.", file=sys.stderr)
    return 1 if failed else 0
