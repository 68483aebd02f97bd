"""Measures models on pictures: real files, real decodes.

    python evaluate.py --images='kodak/*.png' --models=all --out=results/

Writes rd.csv (a row for each picture and codec) and summary.csv (the means),
and prints the table with JPEG beside each model.
"""

import glob
import os
import pathlib

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cli

F = flags.FLAGS
flags.DEFINE_string("images", None, "Glob of the pictures.")
flags.DEFINE_list("models", ["all"], "Names or folders of models; `all` for every shipped one.")
flags.DEFINE_string("out", "results", "Folder for the tables.")


def main(rest):
    if rest or not F.images:
        raise cli.UserError("evaluate.py takes flags only, and needs --images=GLOB.")
    paths = sorted(glob.glob(os.path.expanduser(F.images), recursive=True))
    if not paths:
        raise cli.UserError(f"no file matches {F.images}")
    from evaluation import rate_distortion
    from models import store

    try:
        folders = store.shipped() if F.models == ["all"] else [store.find(m) for m in F.models]
    except store.ModelError as error:
        raise cli.UserError(str(error)) from error
    if not folders:
        raise cli.UserError("there are no shipped models; name one with --models=DIR.")
    rate_distortion.run(paths, folders, pathlib.Path(F.out))


if __name__ == "__main__":
    cli.run(main, __doc__)
