"""Compresses pictures to .dsic files.

    deepsic compress IN OUT [--model=NAME|DIR] [--overwrite]
    deepsic compress IN OUT --bpp=0.5 [--arch=pre]

IN and OUT are a file each, or a folder each (searched with its subfolders).
Prints a line a picture: bytes, bits per pixel, and what it shows. With --bpp
every picture is compressed by all shipped models of that arch, which takes as many
times as long, and the file nearest to the rate is kept.
"""

from __future__ import annotations

import math
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from deepsic import cli, container, formats, labels, runtimes, treecode
from deepsic.errors import BadFile, DeepsicError
from deepsic.files import MAX_PIXELS, write_atomically

if TYPE_CHECKING:
    from deepsic.codec import Codec
    from deepsic.store import Folder

F = flags.FLAGS
flags.DEFINE_string("model", None, "A shipped model's name, or a model's folder; else ARCH-0.5bpp.")
flags.DEFINE_float("bpp", None, "Bits per pixel to come near to, by choice of model.", 0)
flags.DEFINE_enum(
    "arch",
    "pre",
    ["pre", "post"],
    "Which of the shipped models are meant, or which head of a folder with both.",
)
flags.DEFINE_bool("overwrite", False, "Replace files that are there.")
flags.DEFINE_bool("skip_existing", False, "Leave pictures alone whose file is there.")
flags.DEFINE_enum(
    "metadata", "keep", ["keep", "none"], "Whether files get EXIF and XMP of their pictures."
)
flags.DEFINE_string(
    "background", None, "Lay transparent pictures on this colour, such as white or #336699."
)
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


flags.DEFINE_enum(
    "runtime",
    "auto",
    ["auto", *runtimes.NAMES],
    f"What runs the networks; auto is LiteRT, but TensorFlow for {runtimes.MANY} pictures or more"
    " where it is installed.",
)


def compress_file(codecs: list[Codec], source: pathlib.Path, target: pathlib.Path) -> str:
    """One picture to one file; returns the line to print.

    Raises:
      BadFile: if the picture cannot be read or the file not be written.
      ModelError: if the model is of no use.
    """
    from deepsic import images
    from deepsic.targets import compress_nearest

    picture = images.read_picture(source, F.max_pixels, cli.warn, F.metadata == "keep")
    if F.background is not None:
        picture = picture.without_alpha(F.background)
    pixels = picture.rgb.shape[0] * picture.rgb.shape[1]
    try:
        codec, data = compress_nearest(
            codecs, picture, F.bpp or 0.0, F.semantic_threshold, F.semantic_topk
        )
    except BadFile as error:  # of its transparency
        raise BadFile(f"{source}: {error}") from error
    write_atomically(target, lambda handle: handle.write(data))
    line = f"{target}: {len(data)} bytes, {8 * len(data) / pixels:.3f} bpp"
    if F.bpp is not None:
        line += f" with {codec.folder.name}"
    return line if data.label is None else f"{line}, {data.label}"


def find_models() -> list[Folder]:
    """The folders of the models to try; raises ModelError or cli.UserError."""
    from deepsic import store, targets

    if F.model and F.bpp is not None:
        raise cli.UserError("--bpp chooses among shipped models: leave --model out.")
    if F.bpp is not None:
        return targets.find_shipped(F.arch)
    if F.model:
        return [store.find(F.model, F.arch if F["arch"].present else None)]
    return [store.find(f"{F.arch}-0.5bpp")]


def main(rest: list[str]) -> int:
    """Runs the command with its arguments that are no flags; returns the exit code."""
    if len(rest) != 2:
        raise cli.UserError("it takes two arguments: IN and OUT.")
    if F.bpp is not None and not math.isfinite(F.bpp):
        raise cli.UserError("--bpp takes a number of bits per pixel, such as 0.5.")
    cli.check_colour(F.background)
    jobs = cli.pair_files(
        pathlib.Path(rest[0]),
        rest[1],
        formats.extensions(),
        container.EXTENSION,
        overwrite=F.overwrite,
        skip_existing=F.skip_existing,
    )
    for _, target in jobs:
        if target is None or target.suffix != container.EXTENSION:
            raise cli.UserError(
                f"{target} does not end in {container.EXTENSION}; of a folder, end it in a slash."
            )
    folders = find_models()
    from deepsic.codec import Codec

    runtime = runtimes.choose(F.runtime, len(jobs))
    codecs = [Codec(folder, runtime=runtime) for folder in folders]

    def work(source: pathlib.Path, target: pathlib.Path | None) -> str:
        assert target is not None
        return compress_file(codecs, source, target)

    return cli.run_jobs(jobs, work, (DeepsicError,))
