"""Decompresses .dsic files to pictures, or only says what they show.

    python decompress.py IN OUT [--model=DIR]
    python decompress.py IN --semantics_only [--levels]

IN and OUT are a file each, or a folder each (searched with its subfolders).
The model is found by the fingerprint in the file.
"""

import os
import pathlib

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from deepsic import cli, container, labels, limits, treecode
from deepsic.errors import ModelError
from deepsic.files import MAX_PIXELS, BadFile

F = flags.FLAGS
flags.DEFINE_string("model", None, "Folder of the model, if it is no shipped one.")
flags.DEFINE_bool("semantics_only", False, "Print the label and write no picture.")
flags.DEFINE_bool("levels", False, "Print the whole path, such as animal > dog > English springer.")
flags.DEFINE_string("format", "png", "Extension of pictures in a folder OUT; PNG loses nothing.")
flags.DEFINE_bool("overwrite", False, "Replace files that are there.")
flags.DEFINE_bool("skip_existing", False, "Leave files alone whose picture is there.")
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


class Models:
    """Codecs by the fingerprints that files carry, each loaded once."""

    def __init__(self):
        self.codecs = {}

    def find(self, fingerprint):
        """The codec of a file, which takes TensorFlow; raises store.ModelError."""
        if fingerprint not in self.codecs:
            from deepsic import store
            from deepsic.codec import Codec

            folder = store.find_by_fingerprint(fingerprint, F.model)
            self.codecs[fingerprint] = Codec(folder, fingerprint)
        return self.codecs[fingerprint]


def decompress_file(models, source, target):
    """One file to one picture; returns the line to print."""
    from deepsic import images

    header, payload = limits.read_file(source, F.max_pixels)
    codec = models.find(header.fingerprint)
    q = codec.decode_symbols(header, payload)
    text = _label_text(codec, header, q)  # first, as it may be damaged
    images.write_image(target, codec.reconstruct(q, header.height, header.width))
    return f"{target}: {header.width}×{header.height}, {text}"


def describe_file(models, source):
    """What one file shows; `pre` files are answered from their header alone."""
    header, payload = limits.read_file(source, F.max_pixels)
    if header.semantics is None:
        codec = models.find(header.fingerprint)
        return f"{source}: {_label_text(codec, header, codec.decode_symbols(header, payload))}"
    known = None
    if not header.semantics.imagenet:
        from deepsic import store

        known = store.find_by_fingerprint(header.fingerprint, F.model).labels
    return f"{source}: {_text(labels.label_of(header.semantics, known))}"


def _label_text(codec, header, q):
    return _text(codec.label(header, q, F.semantic_threshold, F.semantic_topk))


def _text(label):
    return label.in_full() if F.levels else str(label)


def main(rest):
    if len(rest) != (1 if F.semantics_only else 2):
        raise cli.UserError(
            "decompress.py takes two arguments, IN and OUT, or IN and --semantics_only."
        )
    source = pathlib.Path(rest[0])
    jobs = cli.pair_files(
        source,
        None if F.semantics_only else rest[1],
        {container.EXTENSION},
        f".{F.format.lstrip('.')}",
        overwrite=F.overwrite,
        skip_existing=F.skip_existing,
    )
    if not F.semantics_only:
        from deepsic import images

        for _, target in jobs:
            images.check_writable(target)  # before anything is decoded
    models = Models()

    def work(source, target):
        if target is None:
            return describe_file(models, source)
        return decompress_file(models, source, target)

    return cli.run_jobs(jobs, work, (container.CorruptFile, ModelError, BadFile, OSError))


if __name__ == "__main__":
    cli.run(main, __doc__)
