"""Compresses pictures to .dsic files.

    deepsic compress IN [OUT] [--model=NAME|DIR] [--overwrite]
    deepsic compress IN ... OUT/ [--jobs=4]
    deepsic compress IN [OUT] --bpp=0.5 [--arch=pre]

IN is a picture, a folder (searched with its subfolders), or - for standard input. OUT is a
file, a folder, or - for standard output; without it, each file is written beside its
picture. Files get the times of their pictures. Prints a line a picture: bytes, bits per
pixel, and what it shows. With --bpp every picture is compressed by all shipped models of
that arch, which takes as many times as long, and the file nearest to the rate is kept.
"""

from __future__ import annotations

import functools
import math
import pathlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from absl import flags

from deepsic import batch, cli, container, formats, labels, pairing, runtimes, treecode
from deepsic.batch import Done, describe_label, keep_time
from deepsic.errors import BadFile
from deepsic.files import MAX_PIXELS, read_stdin, write_atomically, write_stdout
from deepsic.pairing import Job

if TYPE_CHECKING:
    from deepsic.codec import Codec
    from deepsic.store import Folder

F = flags.FLAGS
flags.DEFINE_string("out", None, "OUT; then all other arguments are INs.", short_name="o")
flags.DEFINE_integer("jobs", 1, "How many processes work on several pictures.", 1)
flags.DEFINE_bool("json", False, "Print a line of JSON for each picture.")
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


def compress_file(get_codecs: Callable[[], list[Codec]], job: Job) -> Done:
    """One picture to one file.

    Args:
      get_codecs: gives the models to try; it is called after the picture has been read.
      job: what to read and write.

    Raises:
      BadFile: if the picture cannot be read or the file not be written.
      ModelError: if the model is of no use.
    """
    from deepsic import images

    source: pathlib.Path | IO[bytes] = job.source or read_stdin()
    picture = images.read_picture(source, F.max_pixels, cli.warn, F.metadata == "keep")
    if F.background is not None:
        picture = picture.without_alpha(F.background)
    height, width = picture.rgb.shape[:2]
    from deepsic.targets import compress_nearest  # only now, as it takes long

    try:
        codec, data = compress_nearest(
            get_codecs(), picture, F.bpp or 0.0, F.semantic_threshold, F.semantic_topk
        )
    except BadFile as error:  # of its transparency
        raise BadFile(f"{job.source or 'stdin'}: {error}") from error
    if job.target is None:
        write_stdout(data)
    else:
        write_atomically(job.target, lambda handle: handle.write(data))
        keep_time(job.source, job.target)
    bpp = 8 * len(data) / (width * height)
    line = f"{job.target or 'stdout'}: {len(data)} bytes, {bpp:.3f} bpp"
    if F.bpp is not None:
        line += f" with {codec.folder.name}"
    record = {
        "source": job.source and str(job.source),
        "target": job.target and str(job.target),
        "width": width,
        "height": height,
        "bytes": len(data),
        "bpp": round(bpp, 4),
        "model": codec.folder.name,
        "label": data.label and describe_label(data.label),
    }
    line += "" if data.label is None else f", {data.label}"
    size = 0 if job.source is None else job.source.stat().st_size
    return Done(line, record, size, len(data))


def find_models() -> list[Folder]:
    """The folders of the models to try; raises ModelError or cli.UserError."""
    from deepsic import store

    if F.model and F.bpp is not None:
        raise cli.UserError("--bpp chooses among shipped models: leave --model out.")
    if F.bpp is not None:
        from deepsic import targets

        return targets.find_shipped(F.arch)
    if F.model:
        return [store.find(F.model, F.arch if F["arch"].present else None)]
    return [store.find(f"{F.arch}-0.5bpp")]


@functools.cache
def load_codecs(pictures: int) -> list[Codec]:
    """The models to try, ready for so many pictures."""
    from deepsic.codec import Codec

    runtime = runtimes.choose(F.runtime, pictures)
    return [Codec(folder, runtime=runtime) for folder in find_models()]


def work(pictures: int, job: Job) -> Done:
    """Does a job, one of so many."""
    return compress_file(lambda: load_codecs(pictures), job)


def main(rest: list[str]) -> int:
    """Runs the command with its arguments that are no flags; returns the exit code."""
    inputs, out = pairing.split_arguments(rest, F.out, [container.EXTENSION])
    if F.bpp is not None and not math.isfinite(F.bpp):
        raise cli.UserError("--bpp takes a number of bits per pixel, such as 0.5.")
    cli.check_colour(F.background)
    plan = pairing.plan(
        inputs,
        out,
        formats.extensions(),
        container.EXTENSION,
        overwrite=F.overwrite,
        skip_existing=F.skip_existing,
    )
    for _, target in plan.jobs:
        if target is not None and target.suffix != container.EXTENSION:
            raise cli.UserError(
                f"{target} does not end in {container.EXTENSION}; of a folder, end it in a slash."
            )
    find_models()  # complains at once of one that is not there
    return batch.run(
        plan,
        functools.partial(work, len(plan.jobs) // F.jobs),
        processes=F.jobs,
        as_json=F.json,
        to_stderr=any(target is None for _, target in plan.jobs),
        advise=formats.advice,
    )
