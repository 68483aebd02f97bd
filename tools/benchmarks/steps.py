"""What quantiser steps between and beyond the trained ones lose, and a figure of it.

    python -m tools.benchmarks.steps --images='kodak/*.png' [--every=8] [--out=steps.png]

Every model is trained at a few rates; its other steps only scale the features. Mean curves over
the pictures: the trained points that searches try, of all models, joined as evaluate.py joins
curves, and every few steps of those that searches try. The loss is the rate of a step above the
joined curve at its PSNR.
"""

import glob

from absl import flags

from deepsic import cli

F = flags.FLAGS
flags.DEFINE_string("images", None, "Glob of pictures.", required=True)
flags.DEFINE_integer("every", 8, "Measure one step of so many.", 1)
flags.DEFINE_string("out", "steps.png", "File of the figure.")


def measure(codec, pictures, steps):
    """Mean bits per pixel and PSNR at some steps, two arrays."""
    import numpy as np
    from tqdm import tqdm

    from deepsic.distortion import psnr

    sums = np.zeros((2, len(steps)))
    for x in tqdm(pictures, desc=codec.folder.path.name, leave=False):
        analysis = codec.analyse(x)
        for i, step in enumerate(steps):
            at = codec.at(step)
            data = at.encode(analysis, effort=0)
            sums[:, i] += 8 * len(data) / (x.shape[0] * x.shape[1]), psnr(x, at.decompress(data)[0])
    return sums / len(pictures)


def losses(curves):
    """Rates above the curve through all trained points at each point's PSNR, in percent.

    They are nan beyond the first and the last of these.

    Args:
      curves: of each model, in the order of their rates: bpp, PSNR and whether a step was
        trained, arrays.
    """
    import numpy as np
    from scipy.interpolate import Akima1DInterpolator

    bpp, psnr, trained = (np.concatenate(values) for values in zip(*curves, strict=True))
    bpp, psnr = bpp[trained], psnr[trained]
    if not (np.diff(psnr) > 0).all() or len(psnr) < 3:
        raise cli.UserError("these models do not make one curve: their trained rates overlap.")
    joined = Akima1DInterpolator(psnr, np.log(bpp))
    return [100 * (bpp / np.exp(joined(psnr)) - 1) for bpp, psnr, _ in curves]


def draw(curves, path):
    """Writes the figure: curves above, losses below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(
        2, 1, sharex=True, figsize=(8, 8), height_ratios=(2, 1), layout="constrained"
    )
    for name, (bpp, quality, trained, loss) in curves.items():
        (line,) = above.plot(bpp, quality, ".-", label=name, linewidth=1)
        above.plot(bpp[trained], quality[trained], "o", color=line.get_color())
        below.plot(bpp, loss, ".-", color=line.get_color(), linewidth=1)
    above.set_ylabel("PSNR (RGB), dB")
    above.legend(title="circles: rates that were trained")
    below.axhline(0, color="grey", linewidth=0.5)
    below.set_ylabel("rate above the curve\nthrough the circles, %")
    below.set_xlabel("bits per pixel")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main(rest):
    import numpy as np

    from deepsic import store
    from deepsic.codec import Codec
    from deepsic.config import STEPS_PER_GAIN
    from deepsic.images import read_image
    from evaluation import tables

    paths = sorted(glob.glob(F.images, recursive=True))
    if rest or not paths:
        raise cli.UserError(f"no file matches {F.images}.")
    pictures = [read_image(path) for path in paths]
    folders = {f.path: f for f in store.find_shipped("pre")}.values()
    found, curves, lines = {}, {}, []
    for folder in sorted(folders, key=lambda f: f.get_lambda1(f.best_steps[0])):
        known = {*folder.config.trained_steps[::STEPS_PER_GAIN]} & {*folder.best_steps}
        steps = sorted({*folder.best_steps[:: F.every], folder.best_steps[-1]} | known)
        bpp, quality = measure(Codec(folder), pictures, steps)
        trained = np.array([step in known for step in steps])
        found[folder.path.name] = steps, (bpp, quality, trained)
    every_loss = losses([curve for _, curve in found.values()])
    for (name, (steps, curve)), loss in zip(found.items(), every_loss, strict=True):
        curves[name] = *curve, loss
        for step, *values in zip(steps, *curve[:2], loss, strict=True):
            shown = (f"{v:{f}}" for v, f in zip(values, (".3f", ".2f", "+.1f"), strict=True))
            shown = ("" if text == "+nan" else text for text in shown)
            lines.append([name, str(step), *shown])
    print(tables.as_text(("model", "step", "bpp", "PSNR", "loss %"), lines))
    draw(curves, F.out)
    print(f"Look at {F.out}")


if __name__ == "__main__":
    cli.run(main, __doc__)
