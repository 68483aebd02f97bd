"""The command `deepsic browse`, from a clone: python browse.py --help."""

from deepsic.commands import run

if __name__ == "__main__":
    run("browse")
