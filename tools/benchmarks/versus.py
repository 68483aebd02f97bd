"""Decibels above other codecs at the same rate, picture by picture, and where they are won.

    python -m tools.benchmarks.versus --images='photographs/*.png' [--models=…] [--crop=768]

PSNR of each model's files less that of the other codec at each picture's own rate, means over
the pictures; codecs with a quality in place of a rate are interpolated between the two files
around it. `smooth` and `busy` are the squared errors in the smoothest and the busiest quarter of
a picture's 8×8 blocks as multiples of JPEG 2000's, geometric means.
"""

import glob

from absl import flags

from deepsic import cli

F = flags.FLAGS
flags.DEFINE_string("images", None, "Glob of pictures.", required=True)
flags.DEFINE_list("models", ["all"], "Names or folders of models; `all` for shipped `pre` ones.")
flags.DEFINE_list("references", ["jpeg2000", "webp", "avif"], "Other codecs, see evaluate.py.")
flags.DEFINE_integer("crop", 0, "Side of the middle square that is coded; 0 for all.", 0)
flags.DEFINE_integer("effort", 0, "What is spent on our files.", 0)

BLOCK = 8


def middle(x, side):
    """The middle square of a picture, or all of it."""
    if not side:
        return x
    top, left = (max(0, n - side) // 2 for n in x.shape[:2])
    return x[top : top + side, left : left + side]


def psnr_at(reference, x, bpp):
    """PSNR of another codec at a rate, dB, and its picture nearest to that rate."""
    import numpy as np

    from deepsic.distortion import psnr

    value, nearest = reference.nearest_rate(x, bpp)
    x_hat = reference.decode(nearest)
    rate = 8 * len(nearest) / (x.shape[0] * x.shape[1])
    if reference.knob == "bpp":
        other = value * 1.05
    else:
        step = 1 if rate < bpp else -1
        other = min(max(value + step, reference.limits[0]), reference.limits[1])
    data = reference.encode(x, other)
    rates = np.log([rate, 8 * len(data) / (x.shape[0] * x.shape[1])])
    qualities = [psnr(x, x_hat), psnr(x, reference.decode(data))]
    if abs(rates[1] - rates[0]) < 1e-6:
        return qualities[0], x_hat
    slope = (qualities[1] - qualities[0]) / (rates[1] - rates[0])
    return qualities[0] + slope * (np.log(bpp) - rates[0]), x_hat


def block_errors(x, x_hat):
    """Squared errors in the smoothest and the busiest quarter of the blocks, means."""
    import numpy as np

    rows, columns = (n // BLOCK * BLOCK for n in x.shape[:2])
    shape = (rows // BLOCK, BLOCK, columns // BLOCK, BLOCK, 3)
    blocks = x[:rows, :columns].astype(np.float64).reshape(shape)
    spread = np.square(blocks - blocks.mean(axis=(1, 3), keepdims=True)).mean(axis=(1, 3, 4))
    off = x_hat[:rows, :columns].astype(np.float64).reshape(shape)
    errors = np.square(blocks - off).mean(axis=(1, 3, 4)).ravel()[np.argsort(spread, axis=None)]
    quarter = len(errors) // 4
    return errors[:quarter].mean(), errors[-quarter:].mean()


def measure(codec, x, references, effort):
    """One row: bpp, PSNR, dB above each reference, smooth and busy against JPEG 2000."""
    from deepsic.distortion import psnr
    from evaluation.references import JPEG2000

    data = codec.compress(x, effort=effort)
    bpp = 8 * len(data) / (x.shape[0] * x.shape[1])
    x_hat, _ = codec.decompress(data)
    quality = psnr(x, x_hat)
    above, ratios = [], []
    for reference in references:
        theirs, decoded = psnr_at(reference, x, bpp)
        above.append(quality - theirs)
        if reference.key == JPEG2000.key:
            pairs = zip(block_errors(x, x_hat), block_errors(x, decoded), strict=True)
            ratios = [max(ours, 0.01) / max(other, 0.01) for ours, other in pairs]
    return [bpp, quality, *above], ratios


def main(rest):
    import numpy as np
    from tqdm import tqdm

    from deepsic import store
    from deepsic.codec import Codec
    from deepsic.images import read_image
    from evaluation import references, tables

    paths = sorted(glob.glob(F.images, recursive=True))
    if rest or not paths:
        raise cli.UserError(f"no file matches {F.images}.")
    found, _ = references.choose(F.references)
    asked = [
        f for m in F.models for f in (store.find_shipped("pre") if m == "all" else [store.find(m)])
    ]
    lines = []
    for folder in sorted(asked, key=lambda f: f.get_lambda1(f.step)):
        codec = Codec(folder)
        rows, ratios = [], []
        for path in tqdm(paths, desc=folder.name, leave=False):
            row, ratio = measure(codec, middle(read_image(path), F.crop), found, F.effort)
            rows.append(row)
            ratios.append(ratio)
        means = np.mean(rows, axis=0)
        shown = [f"{means[0]:.3f}", f"{means[1]:.2f}", *(f"{v:+.2f}" for v in means[2:])]
        if ratios[0]:
            shown += [f"{v:.2f}" for v in np.exp(np.mean(np.log(ratios), axis=0))]
        lines.append([folder.name, *shown])
    heads = ["model", "bpp", "PSNR", *(r.name for r in found)]
    print(tables.as_text((*heads, "smooth", "busy")[: len(lines[0])], lines))


if __name__ == "__main__":
    cli.run(main, __doc__)
