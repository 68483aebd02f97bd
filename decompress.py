"""The command `deepsic decompress`, from a clone: python decompress.py --help."""

from deepsic.commands import run

if __name__ == "__main__":
    run("decompress")
