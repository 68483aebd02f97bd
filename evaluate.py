"""Measures models on pictures: real files, real decodes.

    python evaluate.py --images='kodak/*.png' --models=all --out=results/
    python evaluate.py --dataset=folder:PATH --split=val --models=all --out=results/

The first writes rate and distortion beside other codecs: rd.csv (a row for each
picture and setting), summary.csv (means), bd.csv (Bjøntegaard deltas) and
figures. The second writes what the models say that pictures show: semantics.csv
and its companions. Both write their part of report.html, a page to look at.

What was measured is kept in OUT/cache: the same command measures only what is
new or was interrupted.
"""

import glob
import os
import pathlib

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from deepsic import cli
from deepsic.targets import DEFAULT_EFFORT, EFFORTS

F = flags.FLAGS
flags.DEFINE_string("images", None, "Glob of the pictures for rate and distortion.")
flags.DEFINE_string("dataset", None, "Labelled set for semantics: a TFDS set, or folder:PATH.")
flags.DEFINE_string("split", "val", "Split of the labelled set.")
flags.DEFINE_string("data_dir", None, "Folder of TFDS's sets; TFDS has a default.")
flags.DEFINE_integer(
    "examples",
    0,
    "Number of labelled pictures, spread evenly over the set; 0 for all.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "side",
    128,
    "Side of the squares cut from labelled pictures, pixels; 0 for whole ones.",
    lower_bound=0,
)
flags.DEFINE_list("models", ["all"], "Names or folders of models; `all` for every shipped one.")
flags.DEFINE_string("out", "results", "Folder for the results.")
flags.DEFINE_integer(
    "jobs", 1, "Number of processes; times are most exact with one.", lower_bound=1
)
flags.DEFINE_list(
    "references", ["all"], "Other codecs: jpeg420, jpeg444, jpeg2000, webp, avif, jxl; all; none."
)
flags.DEFINE_enum(
    "effort",
    str(DEFAULT_EFFORT),
    list(map(str, EFFORTS)),
    "What the models' encoders spend on a picture, as in compress.py.",
)
flags.DEFINE_list(
    "show", [], "Names, without extension, of pictures for the page; three spread evenly otherwise."
)
flags.DEFINE_bool(
    "published", None, "Draw published Kodak curves too; by default if the pictures are Kodak's 24."
)


def find_models():
    """The models asked for, with their names; raises cli.UserError or ModelError."""
    from deepsic import store
    from evaluation.study import named

    asked = [f for m in F.models for f in (store.shipped() if m == "all" else [store.find(m)])]
    # A model that is named twice is measured once.
    folders = list({folder.reference: folder for folder in asked}.values())
    for folder in folders:
        _ = folder.config  # a damaged one is named now rather than after hours
    if not folders:
        raise cli.UserError("there are no shipped models; name one with --models=DIR.")
    return named(folders)


def find_references():
    """The reference codecs asked for that this Pillow has; raises cli.UserError."""
    from evaluation import references

    try:
        found, missing = references.choose(F.references)
    except ValueError as error:
        raise cli.UserError(str(error)) from error
    for reference in missing:
        print(f"{reference.name} is left out: this Pillow cannot write it.")
    return found


def main(rest):
    if rest or not (F.images or F.dataset):
        raise cli.UserError(
            "evaluate.py takes flags only, and needs --images=GLOB or --dataset=NAME."
        )
    models, out = find_models(), pathlib.Path(F.out)
    from deepsic.workers import WorkerDied

    code = 0
    try:
        if F.images:
            code |= rate_distortion(models, out)
        if F.dataset:
            code |= semantics(models, out)
    except WorkerDied as error:
        raise cli.UserError(str(error)) from error
    return code


def rate_distortion(models, out):
    """The first command; returns the exit code."""
    paths = sorted(
        p for p in glob.glob(os.path.expanduser(F.images), recursive=True) if os.path.isfile(p)
    )
    if not paths:
        raise cli.UserError(f"no file matches {F.images}")
    from evaluation import study

    options = {"jobs": F.jobs, "published": F.published, "show": F.show, "effort": int(F.effort)}
    try:
        return study.run(paths, models, find_references(), out, **options)
    except ValueError as error:
        raise cli.UserError(str(error)) from error


def semantics(models, out):
    """The second command; returns the exit code."""
    from data.sources import MissingDataset, open_source
    from evaluation import semantic_study

    try:
        source = open_source(F.dataset, F.split, F.data_dir)
    except MissingDataset as error:
        raise cli.UserError(str(error)) from error
    name = f"{F.dataset}, {F.split}"
    options = {"jobs": F.jobs, "limit": F.examples, "side": F.side}
    return semantic_study.run(source, name, models, out, **options)


if __name__ == "__main__":
    cli.run(main, __doc__)
