"""Labelled pictures for measuring semantics, a chunk at a time."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from data import augment
from data.sources import Source
from evaluation.cache import digest

SIDE = 128
CHUNK = 64


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some pictures of a set.

    Attributes:
      x: uint8 (N, SIDE, SIDE, 3): the largest centred squares, resized.
      truth: int (N,), numbers of their classes in the set.
      digest: of x.
    """

    x: np.ndarray
    truth: np.ndarray
    digest: str


@functools.cache
def _cutter():
    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def cut(encoded: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.round(augment.centre_patch(encoded, SIDE)), tf.uint8)

    return cut


def chunks(source: Source, limit: int, report: Callable[[str], None]) -> Iterator[Chunk]:
    """Every picture of a source in its order, or some spread evenly over it.

    Args:
      source: of labelled pictures.
      limit: how many at most; 0 for all.
      report: gets a sentence for each picture that cannot be decoded.
    """
    step = max(1, source.count // limit) if limit else 1
    examples = source.examples.shard(step, 0).take(limit or source.count)
    pictures: list[np.ndarray] = []
    truth: list[int] = []
    for number, example in enumerate(examples):
        try:
            pictures.append(_cutter()(example["image"]).numpy())
        except tf.errors.OpError as error:
            reason = str(error.message).strip().splitlines()[0]
            report(f"skipped: picture {number * step} of the set cannot be decoded: {reason}")
            continue
        truth.append(int(example["label"]))
        if len(pictures) == CHUNK:
            yield _chunk(pictures, truth)
            pictures, truth = [], []
    if pictures:
        yield _chunk(pictures, truth)


def _chunk(pictures: list[np.ndarray], truth: list[int]) -> Chunk:
    x = np.stack(pictures)
    return Chunk(x, np.array(truth), digest(x))
