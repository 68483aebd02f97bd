"""Compresses pictures to .dsic files.

    python compress.py IN OUT [--model=NAME|DIR] [--overwrite]

IN and OUT are a file each, or a folder each (searched with its subfolders).
Prints a line a picture: bytes, bits per pixel, and what it shows.
"""

import os
import pathlib

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cli
from data import images
from files import MAX_PIXELS, BadFile, write_atomically
from models import labels
from models.coding import container, treecode

F = flags.FLAGS
flags.DEFINE_string("model", "pre-0.5bpp", "A shipped model's name, or a model's folder.")
flags.DEFINE_bool("overwrite", False, "Replace files that are there.")
flags.DEFINE_bool("skip_existing", False, "Leave pictures alone whose file is there.")
flags.DEFINE_integer(
    "max_pixels", None, f"Refuse larger pictures than this, else than {MAX_PIXELS}, or less."
)
flags.DEFINE_float(
    "semantic_threshold",
    labels.THRESHOLD,
    "How likely a label must be; it is as special as that allows, in steps of 1/16.",
    0,
    15 / 16,
)
flags.DEFINE_integer(
    "semantic_topk",
    0,
    "Likeliest classes that pre files name besides the label.",
    0,
    treecode.MOST_ALTERNATIVES,
)


def compress_file(codec, source, target):
    """One picture to one file; returns the line to print.

    Raises:
      BadFile: if the picture cannot be read or the file not be written.
      ModelError: if the model is of no use.
    """
    x = images.read_image(source, F.max_pixels, cli.warn)
    data = codec.compress(x, F.semantic_threshold, F.semantic_topk)
    write_atomically(target, lambda handle: handle.write(data))
    line = f"{target}: {len(data)} bytes, {8 * len(data) / (x.shape[0] * x.shape[1]):.3f} bpp"
    header, _ = container.read_header(data)
    return line if header.semantics is None else f"{line}, {codec.label(header)}"


def main(rest):
    if len(rest) != 2:
        raise cli.UserError("compress.py takes two arguments: IN and OUT.")
    jobs = cli.pair_files(
        pathlib.Path(rest[0]),
        pathlib.Path(rest[1]),
        images.EXTENSIONS,
        container.EXTENSION,
        overwrite=F.overwrite,
        skip_existing=F.skip_existing,
    )
    from models import store
    from models.codec import Codec

    try:
        codec = Codec(store.find(F.model))
    except store.ModelError as error:
        raise cli.UserError(str(error)) from error
    return cli.run_jobs(
        jobs,
        lambda source, target: compress_file(codec, source, target),
        (BadFile, store.ModelError),
    )


if __name__ == "__main__":
    cli.run(main, __doc__)
