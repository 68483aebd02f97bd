"""How near files come to what is asked for: rates, sizes, PSNR.

    python -m tools.benchmarks.targets --images='kodak/*.png' [--arch=pre] [--csv=targets.csv]

For every kind of target and every value, over all pictures: what was asked, the mean of what
came, the largest miss below and above, mean bytes, bits per pixel and PSNR, and for how many
pictures it was out of reach; these are left out of the misses.
"""

import glob
import time

from absl import flags

from deepsic import cli

F = flags.FLAGS
flags.DEFINE_string("images", None, "Glob of pictures.", required=True)
flags.DEFINE_enum("arch", "pre", ["pre", "post"], "Of the models to choose from.")
flags.DEFINE_integer("effort", 0, "What is spent on the files.", 0)
flags.DEFINE_string("csv", None, "File for a row of every picture and target.")

ASKED = {
    "bpp": (0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6),
    "max_bytes": (6_000, 12_000, 25_000, 50_000),
    "psnr": (28, 30, 32, 34, 36, 38, 40),
    "quality": (0, 25, 50, 75, 100),
}
COLUMNS = ("image", "kind", "asked", "got", "bytes", "bpp", "psnr", "model", "short", "seconds")


def measure(ladder, name, x, kind, asked):
    """A row with COLUMNS; `got` is None for what cannot be asked back, and for no file."""
    from deepsic.distortion import psnr
    from deepsic.errors import OutOfReach
    from deepsic.targets import Target

    start = time.process_time()
    try:
        reached = ladder.compress(x, Target(kind, asked), effort=F.effort)
    except OutOfReach:
        return dict(zip(COLUMNS, (name, kind, asked, None, 0, 0, 0, "", True, 0), strict=True))
    seconds = time.process_time() - start
    size, quality = len(reached.data), psnr(x, reached.codec.decompress(reached.data)[0])
    bpp = 8 * size / (x.shape[0] * x.shape[1])
    got = {"bpp": bpp, "max_bytes": size, "psnr": quality}.get(kind)
    model, short = reached.codec.folder.reference, reached.short is not None
    values = (name, kind, asked, got, size, bpp, quality, model, short, seconds)
    return dict(zip(COLUMNS, values, strict=True))


def summary(rows, kind, asked):
    """A line of the table."""
    import numpy as np

    mine = [r for r in rows if (r["kind"], r["asked"]) == (kind, asked)]
    met = [r for r in mine if not r["short"]] or mine
    off = [r["got"] - asked for r in met if r["got"] is not None]
    percent = 1 if kind == "psnr" else 100 / asked if asked else 0
    unit = " dB" if kind == "psnr" else "%"
    misses = [f"{f(off) * percent:+.2f}{unit}" for f in (min, max)] if off else ["", ""]
    means = [np.mean([r[c] for r in met]) for c in ("bytes", "bpp", "psnr", "seconds")]
    forms = (".0f", ".3f", ".2f", ".2f")
    shown = [f"{m:{f}}" for m, f in zip(means, forms, strict=True)]
    return [kind, f"{asked:g}", *misses, *shown, str(sum(r["short"] for r in mine))]


def main(rest):
    import os

    from tqdm import tqdm

    from deepsic import store
    from deepsic.images import read_image
    from deepsic.ladder import Ladder
    from evaluation import tables

    paths = sorted(glob.glob(F.images, recursive=True))
    if rest or not paths:
        raise cli.UserError(f"no file matches {F.images}.")
    ladder, rows = Ladder(store.find_shipped(F.arch)), []
    for path in tqdm(paths, desc="targets"):
        x, name = read_image(path), os.path.basename(path)
        rows += [measure(ladder, name, x, k, v) for k, values in ASKED.items() for v in values]
    heads = ("target", "asked", "least", "most", "bytes", "bpp", "PSNR", "CPU s", "out of reach")
    lines = [summary(rows, k, v) for k, values in ASKED.items() for v in values]
    print(tables.as_text(heads, lines))
    if F.csv:
        tables.write_csv(F.csv, COLUMNS, rows)


if __name__ == "__main__":
    cli.run(main, __doc__)
