"""What labels say of pictures that show something of no class, beside pictures that do.

    python -m tools.benchmarks.outside --outside='PICTURES/*.jpg' --inside='LABELLED/*/*.jpg'

For every threshold: of pictures outside the classes, how many get a class, which is wrong, and
how many are unknown; of pictures inside, whose folders are named by synset, how many get
their class, how many a label that is not true of them, and how many are unknown.
"""

import glob
import pathlib

import numpy as np
from absl import flags

from deepsic import cli, images, store, taxonomy
from deepsic.codec import Codec
from deepsic.treecode import THRESHOLD_BITS
from evaluation import tables

F = flags.FLAGS
flags.DEFINE_string("outside", None, "Glob of pictures that show nothing of any class.")
flags.DEFINE_string("inside", None, "Glob of pictures in folders named by synset.")
flags.DEFINE_string("model", "pre-0.5bpp", "Model with all of ImageNet's classes.")

HEADS = ("threshold", "outside: a class", "unknown", "inside: its class", "not true", "unknown")


def classify(codec, pattern):
    """Paths and probabilities of all pictures of a glob."""
    paths = sorted(glob.glob(pattern, recursive=True))
    if not paths:
        raise cli.UserError(f"no file matches {pattern}")
    read = (images.read_image(path, warn=lambda sentence: None) for path in paths)
    return paths, [codec.classify(codec.features(x)).tolist() for x in read]


def shares(known, labels, threshold, outside, inside, truths):
    """One line of the table."""

    def nodes(answers):
        found = (known.summarise(p, labels, threshold) for p in answers)
        return [description.node for description in found]

    far, near = nodes(outside), nodes(inside)
    true = [n in known.tree.path(truth) for n, truth in zip(near, truths, strict=True)]
    return (
        np.mean([n < known.classes for n in far]),
        np.mean([known.is_vague(n) for n in far]),
        np.mean([n == truth for n, truth in zip(near, truths, strict=True)]),
        1 - np.mean(true),
        np.mean([known.is_vague(n) for n in near]),
    )


def main(rest):
    if rest or not (F.outside and F.inside):
        raise cli.UserError("outside takes --outside and --inside, two globs, and no arguments.")
    codec, known = Codec(store.find(F.model)), taxonomy.imagenet()
    labels = codec.labels.imagenet
    if labels is None:
        raise cli.UserError(f"{F.model} has classes of its own.")
    _, outside = classify(codec, F.outside)
    paths, inside = classify(codec, F.inside)
    numbers = {synset: n for n, synset in enumerate(known.ids)}
    truths = [numbers[pathlib.Path(path).parent.name] for path in paths]
    steps = 1 << THRESHOLD_BITS
    lines = []
    for step in range(steps // 2, steps):
        row = shares(known, labels, step / steps, outside, inside, truths)
        lines.append((f"{step / steps:.4g}", *(f"{share:.1%}" for share in row)))
    print(tables.as_text(HEADS, lines))


if __name__ == "__main__":
    cli.run(main, __doc__)
