"""Labelled pictures for measuring semantics, a chunk at a time."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from data import augment
from data.sources import Source
from evaluation.cache import digest

SIDE = 128
CHUNK = 64
# A chunk of large pictures has fewer, pixels.
_MOST_PIXELS = 1 << 23


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some pictures of a set.

    Attributes:
      x: the pictures: uint8 (N, side, side, 3), the largest centred squares, resized; or a list
        of uint8 (H, W, 3), as they are.
      truth: int (N,), numbers of their classes in the set.
      digest: of x.
    """

    x: np.ndarray | list[np.ndarray]
    truth: np.ndarray
    digest: str

    @property
    def pixels(self) -> int:
        """Of all pictures."""
        return sum(x.shape[0] * x.shape[1] for x in self.x)


@functools.cache
def _cutter(side: int):
    @tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    def cut(encoded: tf.Tensor) -> tf.Tensor:
        if not side:
            return tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return tf.cast(tf.round(augment.centre_patch(encoded, side)), tf.uint8)

    return cut


def chunks(
    source: Source, limit: int, report: Callable[[str], None], side: int = SIDE
) -> Iterator[Chunk]:
    """Every picture of a source in its order, or some spread evenly over it.

    Args:
      source: of labelled pictures.
      limit: how many at most; 0 for all.
      report: gets a sentence for each picture that cannot be decoded.
      side: of the squares that are cut; 0 for whole pictures as they are.
    """
    step = max(1, source.count // limit) if limit else 1
    examples = source.examples.shard(step, 0).take(limit or source.count)
    pictures: list[np.ndarray] = []
    truth: list[int] = []
    for number, example in enumerate(examples):
        try:
            pictures.append(_cutter(side)(example["image"]).numpy())
        except tf.errors.OpError as error:
            reason = str(error.message).strip().splitlines()[0]
            report(f"skipped: picture {number * step} of the set cannot be decoded: {reason}")
            continue
        truth.append(int(example["label"]))
        if len(pictures) == CHUNK or sum(x.size for x in pictures) > 3 * _MOST_PIXELS:
            yield _chunk(pictures, truth, side)
            pictures, truth = [], []
    if pictures:
        yield _chunk(pictures, truth, side)


def _chunk(pictures: list[np.ndarray], truth: list[int], side: int) -> Chunk:
    if side:
        x = np.stack(pictures)
        return Chunk(x, np.array(truth), digest(x))
    whole = hashlib.sha256("".join(map(digest, pictures)).encode()).hexdigest()
    return Chunk(pictures, np.array(truth), whole)
