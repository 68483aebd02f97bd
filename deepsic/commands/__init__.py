"""The commands `deepsic compress`, `decompress` and `search`, and the scripts of these names."""

from __future__ import annotations

import importlib
import os
import sys

from deepsic import cli
from deepsic.version import __version__

COMMANDS = {
    "compress": "pictures to .dsic files",
    "decompress": ".dsic files to pictures, or only what they show",
    "search": "find pictures by what they show",
    "bulk": "many pictures to Parquet archives, on a cluster",
    "browse": "a local web page on an archive",
}


def run(name: str) -> None:
    """Runs a command with the arguments of the process, and ends the process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # where TensorFlow is the runtime
    module = importlib.import_module(f"deepsic.commands.{name}")
    cli.run(module.main, str(module.__doc__).replace("deepsic " + name, cli.command()))


def main() -> None:
    """The console command `deepsic`: its first argument says which one."""
    name, *rest = [*sys.argv[1:], ""]
    if name not in COMMANDS:
        lines = [f"  deepsic {n:11} {text}" for n, text in COMMANDS.items()]
        told = "\n".join(["usage:", *lines, "each with --help for more."])
        if name in ("--help", "-h", "help", "--version"):
            print(told if name != "--version" else f"deepsic {__version__}")
            sys.exit(0)
        print(told, file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"deepsic {name}", *rest[:-1]]
    run(name)
