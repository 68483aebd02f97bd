"""What the four commands share: flags, exit codes, and errors as one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable

from absl import app, flags


class UserError(Exception):
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
        rest = flags.FLAGS(sys.argv)[1:]
        code = main(rest)
    except flags.Error as error:
        _fail(f"{error} (--help lists the flags)", 2)
    except UserError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("interrupted.", 130)
    sys.exit(code or 0)


def _fail(message: str, code: int) -> None:
    name = sys.argv[0].rsplit("/", 1)[-1]
    print(f"{name}: {message}", file=sys.stderr)
    sys.exit(code)
