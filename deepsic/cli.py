"""What all commands share: flags, exit codes, and errors as one sentence."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from absl import flags

from deepsic.errors import DeepsicError, TooManyPixels, UserError
from deepsic.version import __version__

__all__ = ["UserError", "check_colour", "command", "explain", "parse", "program", "run", "warn"]


_HELP = {"-h", "--help", "-help", "--helpfull"}


def run(main: Callable[[list[str]], int | None], doc: str) -> None:
    """Parses the flags, calls `main` with the other arguments, exits with its code.

    TensorFlow 2.14 must not be imported under `absl.app.run`: it would then make
    its context before it is set to run eagerly, and comparisons of tensors
    inside `tf.function` would compare identities. So that TensorFlow need not be
    imported for `--help` either, only absl's flags are used.

    Args:
      main: gets the arguments that are no flags; returns the exit code.
      doc: printed by --help, with the flags that the module of `main` defines.
    """
    for stream in (sys.stdout, sys.stderr):  # names of files need not be UTF-8
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() == "utf-8":
            stream.reconfigure(errors="surrogateescape")
    try:
        _answer(main.__module__, doc)
        code = main(parse())
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


def parse() -> list[str]:
    """Parses the flags of the process; returns the arguments that are none."""
    return flags.FLAGS(sys.argv)[1:]


def _answer(module: str, doc: str) -> None:
    """Ends the process where it is asked for help or its version."""
    asked = set(sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:])
    if asked & _HELP:
        name = sys.argv[0] if module == "__main__" else module
        print(f"{doc.strip()}\n\nFlags:\n{_flags_of(name)}")
    elif "--version" in asked:
        print(f"deepsic {__version__}")
    else:
        return
    sys.stdout.flush()
    sys.exit(0)


def _flags_of(module: str) -> str:
    """The help on a module's flags, without its name above."""
    return "\n".join(flags.FLAGS.module_help(module).splitlines()[2:])


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
