"""The command `deepsic search`, from a clone: python search.py --help."""

from deepsic.commands import run

if __name__ == "__main__":
    run("search")
