"""Batches for training, as tf.data pipelines.

Everything random is drawn from (seed, index of the example since step 0), so a
run that starts again at step n sees what it would have seen without the break.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from data import augment
from data.sources import Source

Batch = dict[str, tf.Tensor]


def training_batches(
    source: Source,
    extra: Source | None,
    *,
    extra_share: float,
    batch: int,
    side: int,
    least_area: float | None,
    seed: int,
    first_step: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Iterator[tf.data.Dataset]:
    """Pipelines of training batches, one after the other without end.

    Args:
      source: labelled pictures.
      extra: unlabelled ones, or None.
      extra_share: share of `extra` in each batch, 0–1.
      batch: patches in a batch.
      side: of a patch, pixels.
      least_area: smallest share of a picture that a patch shows; None cuts patches from
        pictures as they are, without resizing.
      seed: of order and crops.
      first_step: how many batches to pass over.
      share: (index, count) cuts every batch into `count` pieces and makes the one numbered
        `index` only. All pictures are read for it, as they are shuffled together, but only
        those of the piece are decoded.

    Yields:
      Datasets of {"x": float32 (batch / count, side, side, 3) in 0–255, "label": int64
      (batch / count,), -1 where unknown}, each one pass over `source`.

    Raises:
      ValueError: if `source` has fewer pictures than a batch, or the pieces are not equal.
    """
    if batch % share[1]:
        raise ValueError(f"a batch of {batch} cannot be shared by {share[1]}.")
    extras = round(batch * extra_share) if extra is not None else 0
    labelled = batch - extras
    if labelled and source.count < labelled:
        raise ValueError(f"a batch of {labelled} needs as many pictures, not {source.count}.")
    first = source if labelled else extra
    assert first is not None
    steps = max(1, first.count // (labelled or extras))
    epoch, skip = divmod(first_step, steps)
    own = np.split(_order(labelled, extras), share[1])[share[0]]
    own_labelled, own_extras = own[own < labelled], own[own >= labelled] - labelled
    while True:
        start = epoch * steps
        parts = []
        if len(own_labelled):
            part = source.epoch(seed, epoch).take(steps * labelled).skip(skip * labelled)
            part = _numbered(part, labelled, start + skip, own_labelled)
            parts.append(_patches(part, len(own_labelled), side, least_area, (seed, 0)))
        if extra is not None and len(own_extras):
            part = _forever(extra, seed, (start + skip) * extras).take((steps - skip) * extras)
            part = _numbered(part, extras, start + skip, own_extras)
            parts.append(_patches(part, len(own_extras), side, least_area, (seed, 1)))
        yield _join(parts, np.argsort(np.argsort(own))).prefetch(tf.data.AUTOTUNE)
        epoch, skip = epoch + 1, 0


def _forever(source: Source, seed: int, first: int) -> tf.data.Dataset:
    """Pass after pass over a source, each in its own order, from example `first` on."""
    epoch, skip = divmod(first, source.count)
    passes = tf.data.Dataset.range(epoch, tf.int64.max)
    return passes.flat_map(lambda e: source.epoch(seed, e)).skip(skip)


def _numbered(
    examples: tf.data.Dataset, batch: int, first_step: int, own: np.ndarray
) -> tf.data.Dataset:
    """Examples with their numbers since step 0; of each batch, the consecutive places `own`."""
    numbered = examples.enumerate(start=first_step * batch)
    if len(own) == batch:
        return numbered
    first, last = int(own[0]), int(own[-1])
    return numbered.filter(lambda n, _: (n % batch >= first) & (n % batch <= last))


def _patches(
    numbered: tf.data.Dataset,
    batch: int,
    side: int,
    least_area: float | None,
    seed: tuple[int, int],
) -> tf.data.Dataset:
    cut = _cutter(side, least_area)

    def cut_example(index: tf.Tensor, example: Batch) -> Batch:
        key = tf.stack([tf.constant(2 * seed[0] + seed[1], tf.int64), index * 2])
        return {"x": cut(example["image"], key), "label": example["label"]}

    patches = numbered.map(cut_example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return patches.batch(batch, drop_remainder=True)


@functools.cache
def _cutter(side: int, least_area: float | None) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """What cuts a patch out of an encoded picture, by a seed; it is traced once for all passes."""

    @tf.function(input_signature=[tf.TensorSpec((), tf.string), tf.TensorSpec((2,), tf.int64)])
    def cut(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        if least_area is None:
            return augment.plain_patch(image, key, side)
        return augment.random_patch(image, key, side, least_area)

    return cut


def _order(labelled: int, extras: int) -> np.ndarray:
    """Which of a batch's labelled pictures, and the extra ones after them, stand at its places.

    They are evenly interleaved: every replica gets its share of both.
    """
    places = [(np.arange(n) + 0.5) / n for n in (labelled, extras) if n]
    return np.argsort(np.concatenate(places), kind="stable")


def _join(parts: list[tf.data.Dataset], order: np.ndarray) -> tf.data.Dataset:
    """One batch of two, `order` saying which of both stands at each place."""
    if len(parts) == 1:
        return parts[0]

    def mix(a: Batch, b: Batch) -> Batch:
        return {k: tf.gather(tf.concat([a[k], b[k]], axis=0), order) for k in ("x", "label")}

    return tf.data.Dataset.zip(tuple(parts)).map(mix)
