"""The command `deepsic compress`, from a clone: python compress.py --help."""

from deepsic.commands import run

if __name__ == "__main__":
    run("compress")
