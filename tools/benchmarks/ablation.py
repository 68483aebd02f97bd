"""What each part of the entropy coder is worth: bits per pixel of the same symbols.

    python -m tools.benchmarks.ablation --images='kodak/*.png' [--models=a,b]

planes      the raw bits of the symbols
histogram   each channel's own histogram over these pictures, as if known for nothing
alone       the classifier without neighbours: bits and channels of one position only
classifier  the whole classifier's cross entropy
payload     its range-coded bytes
file        whole files
saved       payload against the histogram, which no factorised prior can beat
"""

import glob

from absl import flags

from deepsic import cli

F = flags.FLAGS
flags.DEFINE_string("images", None, "Glob of pictures.", required=True)
flags.DEFINE_list("models", ["pre-0.5bpp"], "Names or folders of models.")

COLUMNS = ("planes", "histogram", "alone", "classifier", "payload", "file")
LATTICE = 8
POSITIONS = 8192


def cross_entropy(coder, q, **passes):
    """Bits of some symbols, int8 (h, w, channels), by the classifier's probabilities."""
    import numpy as np

    from deepsic.coding.rangecoder import PRECISION

    rows = coder.lookup[:, 1:].astype(np.float64)
    cost = PRECISION - np.log2(np.maximum(np.diff(rows, axis=1), 0.5))
    return sum(cost[index, answers].sum() for index, answers in coder.questions(q, **passes))


def alone(coder, q):
    """Bits without neighbours: every position coded as one of the first pass, which has none."""
    import numpy as np

    total, symbols = 0.0, q.reshape(-1, 1, q.shape[-1])
    for start in range(0, len(symbols), POSITIONS):
        piece = symbols[start : start + POSITIONS]
        spread = np.repeat(piece, LATTICE, axis=0)  # the first pass takes one row of eight
        total += cross_entropy(coder, spread, passes=(0,))
    return total


def measure(codec, paths):
    """Bits of every picture under each column, and all pixels: (dict of totals, pixels).

    Args:
      codec: to measure.
      paths: of the pictures.
    """
    import numpy as np
    from tqdm import tqdm

    from deepsic.images import read_image

    totals, pixels = dict.fromkeys(COLUMNS, 0.0), 0
    counts = np.zeros((codec.config.latents, codec.coder.tables.levels), np.int64)
    for path in tqdm(paths, desc=codec.folder.name):
        x = read_image(path)
        q = codec.symbols(codec.features(x))
        pixels += x.shape[0] * x.shape[1]
        levels = q.reshape(-1, q.shape[-1]).astype(np.int64) - codec.coder.lowest
        np.add.at(counts, (np.arange(q.shape[-1]), levels), 1)
        totals["planes"] += q.size * codec.config.bits
        totals["alone"] += alone(codec.coder, q)
        totals["classifier"] += cross_entropy(codec.coder, q)
        totals["payload"] += 8 * len(codec.coder.encode(q))
        totals["file"] += 8 * len(codec.compress(x, effort=0))
    share = counts / counts.sum(axis=1, keepdims=True)
    totals["histogram"] = -(counts * np.log2(np.where(counts, share, 1.0))).sum()
    return totals, pixels


def main(rest):
    if rest:
        raise cli.UserError(f"ablation takes flags only, not {rest[0]!r}.")
    paths = sorted(glob.glob(F.images))
    if not paths:
        raise cli.UserError(f"no file matches --images={F.images}.")
    from deepsic import store
    from deepsic.codec import Codec

    print(f"{'bpp of model':14}" + "".join(f"{c:>11}" for c in COLUMNS) + f"{'saved':>8}")
    for name in F.models:
        codec = Codec(store.find(name))
        bits, pixels = measure(codec, paths)
        saved = 1 - bits["payload"] / bits["histogram"]
        cells = "".join(f"{bits[c] / pixels:11.4f}" for c in COLUMNS)
        print(f"{codec.folder.name:14}{cells}{saved:8.1%}", flush=True)


if __name__ == "__main__":
    cli.run(main, __doc__)
