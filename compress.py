"""Compresses pictures to .dsic files.

    python compress.py IN OUT [--model=NAME|DIR] [--overwrite]
    python compress.py IN OUT --bpp=0.5 [--arch=pre]

IN and OUT are a file each, or a folder each (searched with its subfolders).
Prints a line a picture: bytes, bits per pixel, and what it shows. With --bpp
every picture is compressed by all shipped models of that arch, which takes as many
times as long, and the file nearest to the rate is kept.
"""

import math
import os
import pathlib

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from deepsic import cli, container, images, labels, treecode
from deepsic.files import MAX_PIXELS, BadFile, write_atomically

F = flags.FLAGS
flags.DEFINE_string("model", None, "A shipped model's name, or a model's folder; else ARCH-0.5bpp.")
flags.DEFINE_float("bpp", None, "Bits per pixel to come near to, by choice of model.", 0)
flags.DEFINE_enum("arch", "pre", ["pre", "post"], "Of the shipped model or models.")
flags.DEFINE_bool("overwrite", False, "Replace files that are there.")
flags.DEFINE_bool("skip_existing", False, "Leave pictures alone whose file is there.")
flags.DEFINE_integer(
    "max_pixels", None, f"Refuse larger pictures than this, else than {MAX_PIXELS}, or less.", 1
)
flags.DEFINE_float(
    "semantic_threshold",
    labels.THRESHOLD,
    "How likely a label must be; it is as specific as that allows, in steps of 1/16.",
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


def compress_file(codecs, source, target):
    """One picture to one file; returns the line to print.

    Raises:
      BadFile: if the picture cannot be read or the file not be written.
      ModelError: if the model is of no use.
    """
    x = images.read_image(source, F.max_pixels, cli.warn)
    pixels = x.shape[0] * x.shape[1]
    tries = [(c, c.compress(x, F.semantic_threshold, F.semantic_topk)) for c in codecs]
    codec, data = min(tries, key=lambda t: abs(8 * len(t[1]) / pixels - (F.bpp or 0)))
    write_atomically(target, lambda handle: handle.write(data))
    line = f"{target}: {len(data)} bytes, {8 * len(data) / pixels:.3f} bpp"
    if F.bpp is not None:
        line += f" with {codec.folder.path.name}"
    header, _ = container.read_header(data)
    return line if header.semantics is None else f"{line}, {codec.label(header)}"


def find_models():
    """The folders of the models to try; raises ModelError or cli.UserError."""
    from deepsic import store

    if F.model and (F.bpp is not None or F["arch"].present):
        raise cli.UserError("--bpp and --arch choose among shipped models: leave --model out.")
    if F.bpp is None:
        return [store.find(F.model or f"{F.arch}-0.5bpp")]
    found = [folder for folder in store.shipped() if folder.config.arch == F.arch]
    if not found:
        raise cli.UserError(f"no {F.arch} model is shipped under {store.CHECKPOINTS}.")
    return found


def main(rest):
    if len(rest) != 2:
        raise cli.UserError("compress.py takes two arguments: IN and OUT.")
    if F.bpp is not None and not math.isfinite(F.bpp):
        raise cli.UserError("--bpp takes a number of bits per pixel, such as 0.5.")
    jobs = cli.pair_files(
        pathlib.Path(rest[0]),
        rest[1],
        images.EXTENSIONS,
        container.EXTENSION,
        overwrite=F.overwrite,
        skip_existing=F.skip_existing,
    )
    for _, target in jobs:
        if target.suffix != container.EXTENSION:
            raise cli.UserError(
                f"{target} does not end in {container.EXTENSION}; of a folder, end it in a slash."
            )
    from deepsic import store
    from deepsic.codec import Codec

    codecs = [Codec(folder) for folder in find_models()]
    return cli.run_jobs(
        jobs,
        lambda source, target: compress_file(codecs, source, target),
        (BadFile, store.ModelError),
    )


if __name__ == "__main__":
    cli.run(main, __doc__)
