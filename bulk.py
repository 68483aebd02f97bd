"""The command `deepsic bulk`, from a clone: python bulk.py --help."""

from deepsic.commands import run

if __name__ == "__main__":
    run("bulk")
