"""Pictures without labels, and what a teacher says that they show."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pathlib
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from deepsic import files
from deepsic.errors import DeepsicError
from deepsic.images import read_image
from deepsic.thumbnail import resize
from models.efficientnet import LITE0, LITE1, LITE2, EfficientNet

TEACHERS = ("efficientnet-lite",)
# Side of the pictures that are kept, pixels.
SIDE = 256
_BATCH = 16
_LEAST_AREA = 0.4


@dataclasses.dataclass(frozen=True)
class Lesson:
    """Pictures with a teacher's answers.

    Attributes:
      x: uint8 (N, SIDE, SIDE, 3).
      answers: float16 (N, 1000), probabilities.
    """

    x: np.ndarray
    answers: np.ndarray


def prepare(paths: Sequence[pathlib.Path], count: int, seed: int) -> np.ndarray:
    """Random crops of some pictures, uint8 (N, SIDE, SIDE, 3); what cannot be read is left out.

    Args:
      paths: of the pictures.
      count: how many of them are taken at most.
      seed: of the choice and of the crops.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(paths))[:count]
    found = [_crop(paths[i], np.random.default_rng([seed, i])) for i in _bar(chosen, "pictures")]
    return np.stack([x for x in found if x is not None])


def _crop(path: pathlib.Path, rng: np.random.Generator) -> np.ndarray | None:
    """A part of a picture with at least `_LEAST_AREA` of it, a little squeezed."""
    try:
        x = read_image(path, warn=lambda sentence: None)
    except DeepsicError:
        return None
    height, width = x.shape[:2]
    edge = min(height, width) * np.sqrt(rng.uniform(_LEAST_AREA, 1.0))
    squeeze = rng.uniform(3 / 4, 4 / 3) ** 0.5
    rows, columns = min(height, int(edge * squeeze)), min(width, int(edge / squeeze))
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    return resize(x[top : top + rows, left : left + columns], SIDE, SIDE)


def ask(x: np.ndarray, folder: pathlib.Path) -> Lesson:
    """The mean of the probabilities of EfficientNet-Lite0, 1 and 2 on pictures.

    Args:
      x: uint8 (N, SIDE, SIDE, 3).
      folder: in which the answers are kept, for the next model that learns from them.

    Raises:
      models.efficientnet.Missing: if a network is not installed.
      BadFile: if the folder cannot be written.
    """
    key = hashlib.sha256(b"mean of lite0, lite1, lite2" + x.tobytes()).hexdigest()[:16]
    path = folder / f"teacher-{key}.npy"
    if not path.exists():
        answers = np.mean([_probabilities(v, x) for v in (LITE0, LITE1, LITE2)], axis=0)
        out = io.BytesIO()
        np.save(out, answers.astype(np.float16))
        files.write_atomically(path, lambda handle: handle.write(out.getvalue()))
    return Lesson(x, np.load(path))


def _probabilities(variant, x: np.ndarray) -> np.ndarray:
    network, size = EfficientNet(variant.weights()), (variant.side, variant.side)

    @tf.function(autograph=False)
    def answer(batch: tf.Tensor) -> tf.Tensor:
        batch = tf.cast(batch, tf.float32)
        return tf.nn.softmax(network(tf.image.resize(batch, size, "bicubic", antialias=True)))

    pieces = _bar(range(0, len(x), _BATCH), variant.name)
    return np.concatenate([answer(tf.constant(x[i : i + _BATCH])).numpy() for i in pieces])


def _bar(items, description: str) -> Iterator:
    return tqdm(items, desc=description, disable=not sys.stderr.isatty())
