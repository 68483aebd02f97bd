"""Compresses pictures to .dsic files.

    deepsic compress IN [OUT] [--model=NAME|DIR] [--overwrite]
    deepsic compress IN ... OUT/ [--jobs=4]
    deepsic compress IN [OUT] --bpp=0.5|--max_bytes=50k|--psnr=36|--quality=60 [--arch=pre]

IN is a picture, a folder (searched with its subfolders), or - for standard input. OUT is a
file, a folder, or - for standard output; without it, each file is written beside its
picture. Files get the times of their pictures. Prints a line a picture: bytes, bits per
pixel, and what it shows. What is asked for is met from below, by a search over the steps
of the shipped models, or of --model. --bpp and --max_bytes are never exceeded, --psnr is reached by
the smallest file; if no model gives as much, a warning says what it gives, and the exit
code is 3; so it is where no file is so small, and none is written.
"""

from __future__ import annotations

import contextlib
import functools
import pathlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

from absl import flags

from deepsic import batch, cli, container, formats, labels, pairing, runtimes, treecode
from deepsic.batch import Done, describe_label, keep_time
from deepsic.errors import BadFile, OutOfReach
from deepsic.files import MAX_PIXELS, read_stdin, write_atomically, write_stdout
from deepsic.pairing import Job
from deepsic.targets import DEFAULT_EFFORT, EFFORTS, Target, choose_target

if TYPE_CHECKING:
    from deepsic.folders import Folder
    from deepsic.ladder import Reached
    from deepsic.picture import Picture

    Encode = Callable[[Picture], Reached]

F = flags.FLAGS
flags.DEFINE_string("out", None, "OUT; then all other arguments are INs.", short_name="o")
flags.DEFINE_integer("jobs", 1, "How many processes work on several pictures.", 1)
flags.DEFINE_bool("json", False, "Print a line of JSON for each picture.")
flags.DEFINE_string("model", None, "A shipped model's name, or a model's folder; else ARCH-0.5bpp.")
flags.DEFINE_float("bpp", None, "Bits per pixel that a whole file has at most.")
flags.DEFINE_string("max_bytes", None, "Bytes that a whole file has at most, such as 50k or 1.5M.")
flags.DEFINE_float("psnr", None, "Decibels of RGB that a picture is to have at least.")
flags.DEFINE_float("quality", None, "0 to 100: even steps from the coarsest model to the finest.")
flags.DEFINE_enum(
    "effort",
    None,
    list(map(str, EFFORTS)),
    "How much time goes into a smaller file of the same quality, the same to decode: 1, 2 and 3"
    f" take about three, six and twelve times that of 0; {DEFAULT_EFFORT} if not given.",
)
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


def compress_file(encode: Encode, job: Job) -> Done:
    """One picture to one file.

    Args:
      encode: what makes a file of a picture.
      job: what to read and write.

    Raises:
      BadFile: if the picture cannot be read or the file not be written.
      OutOfReach: if no file is as small as is asked for.
      ModelError: if the model is of no use.
    """
    from deepsic import images

    source: pathlib.Path | IO[bytes] = job.source or read_stdin()
    picture = images.read_picture(source, F.max_pixels, cli.warn, F.metadata == "keep")
    if F.background is not None:
        picture = picture.without_alpha(F.background)
    height, width = picture.rgb.shape[:2]
    try:
        reached = encode(picture)
    except (BadFile, OutOfReach) as error:  # of its transparency, or its size
        raise type(error)(f"{job.source or 'stdin'}: {error}") from error
    codec, data = reached.codec, reached.data
    if reached.short:
        cli.warn(f"{job.source or 'stdin'}: {reached.short}")
    if job.target is None:
        write_stdout(data)
    else:
        write_atomically(job.target, lambda handle: handle.write(data))
        keep_time(job.source, job.target)
    bpp = 8 * len(data) / (width * height)
    line = f"{job.target or 'stdout'}: {len(data)} bytes, {bpp:.3f} bpp"
    if _target() is not None:
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
    line += "" if data.label is None else f", {data.label.in_short()}"
    size = 0 if job.source is None else job.source.stat().st_size
    return Done(line, record, size, len(data), bool(reached.short))


def _target() -> Target | None:
    """What is asked for; raises cli.UserError for what nobody can mean."""
    size = None if F.max_bytes is None else _parse_size(F.max_bytes)
    try:
        return choose_target(bpp=F.bpp, max_bytes=size, psnr=F.psnr, quality=F.quality)
    except ValueError as error:
        raise cli.UserError(f"--{error}") from error


def _parse_size(text: str) -> float:
    """Bytes, from a number with k or M behind it or without."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(k|M)?B?", text)
    if not found:
        raise cli.UserError(f"--max_bytes takes a size such as 50000, 50k or 1.5M, not {text}.")
    return float(found[1]) * {None: 1, "k": 1e3, "M": 1e6}[found[2]]


def find_models() -> list[Folder]:
    """The folders of the models to choose from; raises ModelError."""
    from deepsic import store

    arch = F.arch if F["arch"].present else None
    return store.choose(F.model or None, arch, has_target=_target() is not None)


@functools.cache
def load(pictures: int) -> Encode:
    """What makes files of pictures, ready for so many."""
    from deepsic.codec import Codec
    from deepsic.ladder import Ladder, Reached

    runtime, target = runtimes.choose(F.runtime, pictures), _target()
    effort = None if F.effort is None else int(F.effort)
    options = {"threshold": F.semantic_threshold, "topk": F.semantic_topk, "effort": effort}
    if target is not None:
        return functools.partial(Ladder(find_models(), runtime).compress, target=target, **options)
    codec = Codec(find_models()[0], runtime=runtime)
    return lambda picture: Reached(codec.compress(picture, **options), codec)


def work(pictures: int, job: Job) -> Done:
    """Does a job, one of so many."""
    # The model is loaded after the picture has been read.
    with _refinement_shown(pictures == 1 and F.jobs == 1):
        return compress_file(lambda picture: load(pictures)(picture), job)


@contextlib.contextmanager
def _refinement_shown(wanted: bool) -> Iterator[None]:
    """A bar while symbols of one picture are refined, where that takes long and someone watches."""
    if not (wanted and F.effort and sys.stderr.isatty()):
        yield
        return
    from tqdm import tqdm

    from deepsic import effort

    with tqdm(desc="refining", delay=1, leave=False) as bar:

        def show(done: int, count: int) -> None:
            bar.total = count
            bar.update(done - bar.n)

        token = effort.watcher.set(show)
        try:
            yield
        finally:
            effort.watcher.reset(token)


def main(rest: list[str]) -> int:
    """Runs the command with its arguments that are no flags; returns the exit code."""
    inputs, out = pairing.split_arguments(rest, F.out, [container.EXTENSION])
    _target()
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
