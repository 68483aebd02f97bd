"""Decompresses .dsic files to pictures, or only says what they show.

    deepsic decompress IN OUT [--model=DIR]
    deepsic decompress IN --semantics_only [--levels]

IN and OUT are a file each, or a folder each (searched with its subfolders).
The model is found by the fingerprint in the file.
"""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from absl import flags

from deepsic import cli, container, labels, runtimes, treecode
from deepsic.dsicfile import DsicFile
from deepsic.errors import CorruptFile, DeepsicError
from deepsic.files import MAX_PIXELS
from deepsic.registry import Registry

if TYPE_CHECKING:
    from deepsic.picture import Picture

F = flags.FLAGS
flags.DEFINE_string("model", None, "Folder of the model, if it is no shipped one.")
flags.DEFINE_bool("semantics_only", False, "Print the label and write no picture.")
flags.DEFINE_bool("levels", False, "Print the whole path, such as animal > dog > English springer.")
flags.DEFINE_string("format", "png", "Extension of pictures in a folder OUT; PNG loses nothing.")
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


def decompress_file(models: Registry, source: pathlib.Path, target: pathlib.Path) -> str:
    """One file to one picture; returns the line to print."""
    from deepsic import images

    file = DsicFile(source, F.max_pixels, models)
    _ = file.symbols
    text = _label_text(file)  # first, as it may be damaged
    images.write_picture(target, read_picture(file, str(source)), F.background, cli.warn)
    width, height = file.size
    return f"{target}: {width}×{height}, {text}"


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
    except CorruptFile as error:
        if F.background is None:
            raise CorruptFile(f"{error} --background=white decodes the picture without.") from error
        cli.warn(f"{what}: {error}")
    try:
        metadata = file.metadata if F.metadata == "keep" else metadata
    except CorruptFile as error:
        cli.warn(f"{what}: {error}")
    return Picture(file.rgb, alpha, metadata)


def describe_file(models: Registry, source: pathlib.Path) -> str:
    """What one file shows; `pre` files are answered from their header alone."""
    return f"{source}: {_label_text(DsicFile(source, F.max_pixels, models))}"


def _label_text(file: DsicFile) -> str:
    label = file.get_label(F.semantic_threshold, F.semantic_topk)
    return label.in_full() if F.levels else str(label)


def main(rest: list[str]) -> int:
    """Runs the command with its arguments that are no flags; returns the exit code."""
    if len(rest) != (1 if F.semantics_only else 2):
        raise cli.UserError("it takes two arguments, IN and OUT, or IN and --semantics_only.")
    cli.check_colour(F.background)
    jobs = cli.pair_files(
        pathlib.Path(rest[0]),
        None if F.semantics_only else rest[1],
        {container.EXTENSION},
        f".{F.format.lstrip('.')}",
        overwrite=F.overwrite,
        skip_existing=F.skip_existing,
    )
    if not F.semantics_only:
        from deepsic import images

        for _, target in jobs:
            assert target is not None
            images.check_writable(target)  # before anything is decoded
    models = Registry(
        [F.model] if F.model else [],
        shipped=F.model is None,
        runtime=runtimes.choose(F.runtime, len(jobs)),
        advice="name its folder with --model=DIR",
    )

    def work(source: pathlib.Path, target: pathlib.Path | None) -> str:
        if target is None:
            return describe_file(models, source)
        return decompress_file(models, source, target)

    return cli.run_jobs(jobs, work, (DeepsicError, OSError))
