"""Decompresses .dsic files to pictures, or only says what they show or whether they are whole.

    deepsic decompress IN [OUT] [--model=DIR]
    deepsic decompress IN ... OUT/ [--format=jpg] [--jobs=4]
    deepsic decompress IN ... --semantics_only [--levels]
    deepsic decompress IN ... --verify

IN is a file, a folder (searched with its subfolders), or - for standard input. OUT is a
picture, a folder, or - for standard output; without it, each picture is written beside its
file. Pictures get the times of their files. The model is found by the fingerprint in the file.
"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

from absl import flags

from deepsic import batch, cli, container, formats, labels, pairing, runtimes, treecode
from deepsic.batch import Done, describe_label, keep_time
from deepsic.dsicfile import DsicFile
from deepsic.errors import CorruptFile, NewerFile, UnknownModel
from deepsic.files import MAX_PIXELS, read_stdin, write_stdout
from deepsic.pairing import Job
from deepsic.registry import Registry

if TYPE_CHECKING:
    from deepsic.picture import Picture

F = flags.FLAGS
flags.DEFINE_string("out", None, "OUT; then all other arguments are INs.", short_name="o")
flags.DEFINE_string("model", None, "Folder of the model, if it is no shipped one.")
flags.DEFINE_bool("semantics_only", False, "Print the label and write no picture.")
flags.DEFINE_bool("verify", False, "Check whole files, all but the pixels, and write nothing.")
flags.DEFINE_bool("levels", False, "Print the whole path, such as animal > dog > English springer.")
flags.DEFINE_integer(
    "thumbnail",
    None,
    "Write pictures whose longer side is so many pixels; fast if the model's head is pretrained.",
    1,
)
flags.DEFINE_string(
    "format", "png", "Extension of pictures in a folder OUT, beside, or on standard output."
)
flags.DEFINE_integer("jobs", 1, "How many processes work on several files.", 1)
flags.DEFINE_bool("json", False, "Print a line of JSON for each file.")
flags.DEFINE_bool("overwrite", False, "Replace files that are there.")
flags.DEFINE_bool("skip_existing", False, "Leave files alone whose picture is there.")
flags.DEFINE_enum(
    "metadata", "keep", ["keep", "none"], "Whether pictures get the EXIF and XMP of their files."
)
flags.DEFINE_string("background", None, "Lay transparent pictures on this colour, such as white.")
flags.DEFINE_integer(
    "max_pixels", None, f"Refuse larger pictures than this, else than {MAX_PIXELS}, or less.", 1
)
flags.DEFINE_float(
    "semantic_threshold",
    labels.THRESHOLD,
    "How likely the label of a post file must be, in steps of 1/16.",
    0,
    15 / 16,
)
flags.DEFINE_integer(
    "semantic_topk",
    0,
    "Likeliest classes to name besides for a post file, with --levels.",
    0,
    treecode.MOST_ALTERNATIVES,
)


flags.DEFINE_enum(
    "runtime", "auto", ["auto", *runtimes.NAMES], "What runs the networks; see compress."
)


def open_file(models: Registry, job: Job) -> DsicFile:
    """The file that a job reads."""
    return DsicFile(job.source or read_stdin(), F.max_pixels, models)


def decompress_file(models: Registry, job: Job) -> Done:
    """One file to one picture.

    Raises:
      CorruptFile: if the file is damaged.
      ModelError: if its model is not here.
      BadFile: if the picture cannot be written.
    """
    from deepsic import images

    file = open_file(models, job)
    _ = file.symbols
    text = _label_text(file)  # first, as it may be damaged
    picture = read_picture(file, str(job.source or "stdin"))
    if job.target is None:
        out = io.BytesIO()
        extension = f".{F.format.lstrip('.')}"
        images.encode_picture(out, extension, picture, "stdout", F.background, cli.warn)
        write_stdout(out.getvalue())
        written = len(out.getvalue())
    else:
        images.write_picture(job.target, picture, F.background, cli.warn)
        keep_time(job.source, job.target)
        written = job.target.stat().st_size
    height, width = picture.rgb.shape[:2]
    line = f"{job.target or 'stdout'}: {width}×{height}, {text}"
    record = _record(job, file) | {"width": width, "height": height}
    return Done(line, record, file.size_in_bytes, written)


def read_picture(file: DsicFile, what: str) -> Picture:
    """The picture of a file with what it holds besides, as far as that is intact.

    Args:
      file: whose picture it is.
      what: is spoken of in warnings.

    Raises:
      CorruptFile: if its transparency is damaged, and there is no background to do without.
    """
    from deepsic.metadata import Metadata
    from deepsic.picture import Picture

    alpha, metadata = None, Metadata()
    try:
        alpha = file.alpha
    except NewerFile:
        raise
    except CorruptFile as error:
        if F.background is None:
            raise CorruptFile(f"{error} --background=white decodes the picture without.") from error
        cli.warn(f"{what}: {error}")
    if F.thumbnail is not None:
        from deepsic import thumbnail

        return thumbnail.of_file(file, alpha, F.thumbnail)
    try:
        metadata = file.metadata if F.metadata == "keep" else metadata
    except CorruptFile as error:
        cli.warn(f"{what}: {error}")
    return Picture(file.rgb, alpha, metadata)


def describe_file(models: Registry, job: Job) -> Done:
    """What one file shows; `pre` files are answered from their header alone."""
    file = open_file(models, job)
    line = f"{job.source or 'stdin'}: {_label_text(file)}"
    return Done(line, _record(job, file), file.size_in_bytes)


def verify_file(models: Registry, job: Job) -> Done:
    """Whether a file is whole: checksums, label, sections, and symbols where its model is here.

    Raises:
      CorruptFile: if it is not.
    """
    file = open_file(models, job)
    _ = file.alpha, file.metadata
    verdict = "whole"
    try:
        _ = file.symbols, file.get_label()
    except UnknownModel:
        verdict = "whole by its checksums; its model is not here to decode it"
    record = {"source": job.source and str(job.source), "whole": True}
    return Done(f"{job.source or 'stdin'}: {verdict}", record, file.size_in_bytes)


def _label_text(file: DsicFile) -> str:
    label = file.get_label(F.semantic_threshold, F.semantic_topk)
    return label.in_full() if F.levels else label.in_short()


def _record(job: Job, file: DsicFile) -> dict[str, Any]:
    return {
        "source": job.source and str(job.source),
        "target": job.target and str(job.target),
        "bytes": file.size_in_bytes,
        "label": describe_label(file.get_label(F.semantic_threshold, F.semantic_topk)),
    }


@functools.cache
def load_models(files: int) -> Registry:
    """The models that are at hand, for so many files."""
    return Registry(
        [F.model] if F.model else [],
        shipped=F.model is None,
        runtime=runtimes.choose(F.runtime, files),
        advice="name its folder with --model=DIR",
    )


def work(files: int, job: Job) -> Done:
    """Does a job, one of so many."""
    models = load_models(files)
    if F.verify:
        return verify_file(models, job)
    return describe_file(models, job) if F.semantics_only else decompress_file(models, job)


def main(rest: list[str]) -> int:
    """Runs the command with its arguments that are no flags; returns the exit code."""
    write = not (F.semantics_only or F.verify)
    if F.semantics_only and F.verify:
        raise cli.UserError("--semantics_only and --verify are two questions; ask one.")
    if not write and F.out is not None:
        raise cli.UserError("--semantics_only and --verify write nothing: leave --out out.")
    if write:
        inputs, out = pairing.split_arguments(rest, F.out, formats.WRITERS)
    else:
        inputs, out = pairing.split_arguments(rest, "", [])[0], None
    cli.check_colour(F.background)
    plan = pairing.plan(
        inputs,
        out,
        [container.EXTENSION],
        f".{F.format.lstrip('.')}",
        overwrite=F.overwrite,
        skip_existing=F.skip_existing,
        write=write,
    )
    if write:
        from deepsic import images

        for _, target in plan.jobs:
            images.check_writable(target or f"stdout.{F.format}")  # before anything is decoded
    streaming = write and any(target is None for _, target in plan.jobs)
    return batch.run(
        plan,
        functools.partial(work, len(plan.jobs) // F.jobs),
        processes=F.jobs,
        as_json=F.json,
        to_stderr=streaming,
    )
