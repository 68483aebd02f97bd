"""Batches for training, as tf.data pipelines.

Everything random is drawn from (seed, index of the example since step 0), so a
run that starts again at step n sees what it would have seen without the break.
"""

from __future__ import annotations

from collections.abc import Iterator

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

    Yields:
      Datasets of {"x": float32 (batch, side, side, 3) in 0–255, "label": int64
      (batch,), -1 where unknown}, each one pass over `source`.
    """
    extras = round(batch * extra_share) if extra is not None else 0
    labelled = batch - extras
    if labelled and source.count < labelled:
        raise ValueError(f"a batch of {labelled} needs as many pictures, not {source.count}.")
    first = source if labelled else extra
    assert first is not None
    steps = max(1, first.count // (labelled or extras))
    epoch, skip = divmod(first_step, steps)
    while True:
        start = epoch * steps
        parts = []
        if labelled:
            part = source.epoch(seed, epoch).take(steps * labelled).skip(skip * labelled)
            parts.append(_patches(part, labelled, start + skip, side, least_area, (seed, 0)))
        if extra is not None and extras:
            part = _forever(extra, seed, (start + skip) * extras).take((steps - skip) * extras)
            parts.append(_patches(part, extras, start + skip, side, least_area, (seed, 1)))
        yield _join(parts).prefetch(tf.data.AUTOTUNE)
        epoch, skip = epoch + 1, 0


def _forever(source: Source, seed: int, first: int) -> tf.data.Dataset:
    """Pass after pass over a source, each in its own order, from example `first` on."""
    epoch, skip = divmod(first, source.count)
    passes = tf.data.Dataset.range(epoch, tf.int64.max)
    return passes.flat_map(lambda e: source.epoch(seed, e)).skip(skip)


def _patches(
    examples: tf.data.Dataset,
    batch: int,
    first_step: int,
    side: int,
    least_area: float | None,
    seed: tuple[int, int],
) -> tf.data.Dataset:
    numbered = examples.enumerate(start=first_step * batch)

    def cut(index: tf.Tensor, example: Batch) -> Batch:
        key = tf.stack([tf.constant(2 * seed[0] + seed[1], tf.int64), index * 2])
        if least_area is None:
            patch = augment.plain_patch(example["image"], key, side)
        else:
            patch = augment.random_patch(example["image"], key, side, least_area)
        return {"x": patch, "label": example["label"]}

    patches = numbered.map(cut, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return patches.batch(batch, drop_remainder=True)


def _join(parts: list[tf.data.Dataset]) -> tf.data.Dataset:
    if len(parts) == 1:
        return parts[0]
    return tf.data.Dataset.zip(tuple(parts)).map(_mix)


def _mix(a: Batch, b: Batch) -> Batch:
    """Two batches as one, evenly interleaved: every replica gets its share of both."""
    places = [(np.arange(p["x"].shape[0]) + 0.5) / p["x"].shape[0] for p in (a, b)]
    order = np.argsort(np.concatenate(places), kind="stable")
    return {k: tf.gather(tf.concat([a[k], b[k]], axis=0), order) for k in ("x", "label")}
