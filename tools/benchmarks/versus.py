"""Decibels above other codecs at the same rate, picture by picture, and where they are won.

    python -m tools.benchmarks.versus --images='photographs/*.png' [--models=…] [--crop=768]

PSNR of each model's files less that of the other codec at each picture's own rate, means over
the pictures; the other's curve is interpolated between evaluate.py's settings. `smooth` and
`busy` are the squared errors in the smoothest and the busiest quarter of a picture's 8×8 blocks
as multiples of JPEG 2000's, geometric means.
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


def curve_of(reference, x):
    """PSNR of another codec by the logarithm of the rate; nan beyond its settings."""
    import numpy as np
    from scipy.interpolate import PchipInterpolator

    from deepsic.distortion import psnr

    points = {}
    for value in reference.values:
        data = reference.encode(x, value)
        points[np.log(8 * len(data) / (x.shape[0] * x.shape[1]))] = psnr(x, reference.decode(data))
    rates = sorted(points)
    return PchipInterpolator(rates, [points[r] for r in rates], extrapolate=False)


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


def measure(codec, x, curves, effort):
    """One row: bpp, PSNR, dB above each curve; and smooth and busy against JPEG 2000."""
    import numpy as np

    from deepsic.distortion import psnr
    from evaluation.references import JPEG2000

    data = codec.compress(x, effort=effort)
    bpp = 8 * len(data) / (x.shape[0] * x.shape[1])
    x_hat, _ = codec.decompress(data)
    quality = psnr(x, x_hat)
    above = [quality - float(curve(np.log(bpp))) for curve in curves]
    decoded = JPEG2000.decode(JPEG2000.encode(x, bpp))
    pairs = zip(block_errors(x, x_hat), block_errors(x, decoded), strict=True)
    return [bpp, quality, *above, *(np.log(max(a, 0.01) / max(b, 0.01)) for a, b in pairs)]


def main(rest):
    import numpy as np
    from tqdm import tqdm

    from deepsic import store
    from deepsic.codec import Codec
    from deepsic.images import read_image
    from evaluation import references, tables
    from evaluation.page.gallery import middle

    paths = sorted(glob.glob(F.images, recursive=True))
    if rest or not paths:
        raise cli.UserError(f"no file matches {F.images}.")
    found, _ = references.choose(F.references)
    asked = [
        f for m in F.models for f in (store.find_shipped("pre") if m == "all" else [store.find(m)])
    ]
    codecs = [Codec(f) for f in sorted(asked, key=lambda f: f.get_lambda1(f.step))]
    rows = []
    for path in tqdm(paths, desc="pictures"):
        x = read_image(path)
        x = middle(x, F.crop) if F.crop else x
        curves = [curve_of(reference, x) for reference in found]
        rows.append([measure(codec, x, curves, F.effort) for codec in codecs])
    lines = []
    for codec, mine in zip(codecs, np.array(rows).transpose(1, 0, 2), strict=True):
        means = np.nanmean(mine, axis=0)
        above = [f"{v:+.2f}" for v in means[2:-2]]
        ratios = [f"{v:.2f}" for v in np.exp(means[-2:])]
        lines.append([codec.folder.name, f"{means[0]:.3f}", f"{means[1]:.2f}", *above, *ratios])
    heads = ("model", "bpp", "PSNR", *(r.name for r in found), "smooth", "busy")
    print(tables.as_text(heads, lines))
    outside = int(np.isnan(rows).sum())
    if outside:
        print(f"{outside} rates are beyond what the other codec's settings give; left out.")


if __name__ == "__main__":
    cli.run(main, __doc__)
