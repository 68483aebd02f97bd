"""Where labelled pictures come from: TFDS sets by name, or a folder of class folders."""

from __future__ import annotations

import dataclasses
import glob
import json
import os
import pathlib
import tarfile
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from deepsic import images

FOLDER = "folder:"
# How files begin that TensorFlow decodes, and what is in the last bytes of whole ones.
WHOLE = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG": b"IEND", b"GIF8": b";", b"BM": b""}
TAIL = 1024
LABELS = "labels.json"
# Encoded pictures held for shuffling; ImageNet's weigh about 0.1 MB each.
SHUFFLE_BUFFER = 10_000

MISSING = (
    "The dataset {name} is not prepared in {data_dir}. Its licence lets nobody pass it on, so"
    " download it yourself from https://image-net.org (account needed):"
    " ILSVRC2012_img_train.tar (138 GB) and ILSVRC2012_img_val.tar (6 GB), and lay both into"
    " {manual}; the next run unpacks them once. To start at once with a smaller set:"
    " --dataset=imagenette/320px-v2 (0.3 GB, downloaded for you), or --dataset=folder:PATH with"
    " PATH/train/CLASS/*.jpg and PATH/val/CLASS/*.jpg."
)


class MissingDataset(Exception):
    """A dataset is not there; the message says how to get it."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A split of a labelled set.

    Attributes:
      examples: yields {"image": encoded bytes, "label": int64} in a fixed order.
      count: number of examples.
      labels: class names in the order of their ids.
      names: what people call some of them.
      parents: from classes and groups to the groups that they are in.
    """

    examples: tf.data.Dataset
    count: int
    labels: tuple[str, ...]
    names: dict[str, str] | None = None
    parents: dict[str, str] | None = None

    def epoch(self, seed: int, epoch: int | tf.Tensor) -> tf.data.Dataset:
        """The examples in an order that depends on `seed` and `epoch` only."""
        buffer = min(self.count, SHUFFLE_BUFFER)
        return self.examples.shuffle(buffer, seed=seed * 1_000_003 + epoch)


def open_source(dataset: str, split: str, data_dir: str | None = None) -> Source:
    """Opens a labelled dataset without decoding its pictures.

    Args:
      dataset: a TFDS classification set, such as `imagenet2012`, or
        `folder:PATH` where PATH/split/class/*.jpg are the pictures and
        PATH/labels.json, if it is there, tells what the classes are kinds of.
      split: `train`, or `val` (also found as `validation` or `test`).
      data_dir: of TFDS; its own default if None.

    Raises:
      MissingDataset: if it is not there, with what to do.
    """
    if dataset.startswith(FOLDER):
        return _open_folder(dataset.removeprefix(FOLDER), split)
    return _open_tfds(dataset, split, data_dir)


def _open_folder(path: str, split: str) -> Source:
    import tensorflow_datasets as tfds

    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise MissingDataset(f"There is no folder {root}; --dataset=folder:PATH needs one.")
    builder = tfds.folder_dataset.ImageFolder(str(root))
    source = _from_builder(builder, _find_split(builder, split, str(root)))
    return dataclasses.replace(source, **_read_labels(root / LABELS))


def _read_labels(path: pathlib.Path) -> dict[str, Any]:
    """What labels.json says of the classes: {"names": {…}, "parents": {…}}, both optional."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(found) - {"names", "parents"}
        pairs = [pair for part in found.values() for pair in part.items()]
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise MissingDataset(f"{path} cannot be read: {error}.") from error
    if unknown or not all(isinstance(word, str) for pair in pairs for word in pair):
        raise MissingDataset(f'{path} must be {{"names": {{…}}, "parents": {{…}}}} of strings.')
    return found


def _open_tfds(name: str, split: str, data_dir: str | None) -> Source:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise MissingDataset(
            f"TFDS has no dataset called {name}; a folder is given as --dataset=folder:PATH."
        ) from error
    except ValueError as error:  # a variant or version that the set does not have
        raise MissingDataset(f"TFDS cannot open {name}: {error}") from error
    try:
        builder.download_and_prepare()
    except (
        AssertionError,
        OSError,
        tarfile.TarError,
        tf.errors.OpError,
        tfds.download.DownloadError,
    ) as error:
        raise MissingDataset(_missing_text(builder, name, error)) from error
    return _from_builder(builder, _find_split(builder, split, name))


def _missing_text(builder, name: str, error: Exception) -> str:
    levels = 1 if builder.builder_config is None else 2
    root = pathlib.Path(builder.data_dir).parents[levels]
    if builder.name == "imagenet2012":
        text = MISSING.format(name=name, data_dir=root, manual=root / "downloads" / "manual")
        damaged = isinstance(error, tarfile.TarError)
        return f"{text} One of the tars is damaged or incomplete: {error}." if damaged else text
    reason = str(error).strip().splitlines()
    return (
        f"The dataset {name} is not prepared in {root} and could not be downloaded"
        f" ({reason[0] if reason else type(error).__name__})."
        " Check the network, or use --dataset=folder:PATH."
    )


def _find_split(builder, split: str, name: str) -> str:
    for candidate in {"val": ("val", "validation", "test")}.get(split, (split,)):
        if candidate in builder.info.splits:
            return candidate
    known = ", ".join(sorted(builder.info.splits)) or "none"
    raise MissingDataset(f"{name} has no split {split}; it has: {known}.")


def _from_builder(builder, split: str) -> Source:
    import tensorflow_datasets as tfds

    features = builder.info.features
    if "image" not in features or "label" not in features:
        raise MissingDataset(f"{builder.name} is no classification set: it needs image and label.")
    options = tfds.ReadConfig(interleave_cycle_length=16, add_tfds_id=False)
    examples = builder.as_dataset(
        split=split,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=options,
        shuffle_files=False,
    )
    examples = examples.map(lambda e: {"image": e["image"], "label": e["label"]})
    count = builder.info.splits[split].num_examples
    return Source(examples, count, tuple(features["label"].names))


def open_extra(pattern: str, warn: Callable[[str], None] = print) -> Source:
    """Unlabelled photographs: every picture that matches a glob, `**` included.

    Args:
      pattern: the glob.
      warn: gets a sentence if some files are left out, because they are no pictures.

    Raises:
      MissingDataset: if no picture matches.
    """
    paths = sorted(p for p in glob.glob(pattern, recursive=True) if os.path.isfile(p))
    bad = [p for p in paths if not _is_picture(p)]
    paths = sorted(set(paths) - set(bad))
    if not paths:
        what = "None of the files that match" if bad else "No file matches"
        end = " can be read: JPEG, PNG, GIF and BMP are." if bad else ""
        raise MissingDataset(f"{what} --extra_images={pattern}{end}")
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        warn(f"--extra_images is used without what cannot be read: {', '.join(bad[:3])}{more}.")
    files = tf.data.Dataset.from_tensor_slices(paths)
    examples = files.map(
        lambda p: {"image": tf.io.read_file(p), "label": tf.constant(-1, tf.int64)}
    )
    return Source(examples, len(paths), ())


def _is_picture(path: str) -> bool:
    """Whether TensorFlow knows the format and nothing is missing at the end."""
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            file.seek(max(0, os.path.getsize(path) - TAIL))
            end = file.read()
            ends = [last for first, last in WHOLE.items() if start.startswith(first)]
            if not ends or ends[0] in end:
                return bool(ends)
            file.seek(0)
            if ends[0] not in file.read():
                return False
        images.read_image(path, warn=lambda sentence: None)
    except (OSError, images.BadImage):
        return False
    return True  # with something behind it
