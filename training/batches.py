"""Batches of patches, as a run's settings or those of its context classifier ask for them."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf

from data.pipeline import training_batches
from data.sources import Source
from training.settings import ContextSettings, TrainSettings


def batches_of(
    settings: TrainSettings | ContextSettings,
    source: Source,
    extra: Source | None,
    *,
    batch: int,
    seed: int,
    first_step: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Iterator[tf.data.Dataset]:
    """Endless `data.pipeline.training_batches`, with patches of the settings' size and area.

    Args:
      settings: whose extra_share, patch and least_area count.
      source, extra: of pictures.
      batch: patches at once.
      seed: of the order and the patches.
      first_step: where to begin.
      share: the piece of every batch that is made, and of how many.
    """
    return training_batches(
        source,
        extra,
        extra_share=settings.extra_share,
        batch=batch,
        side=settings.patch,
        least_area=settings.least_area if settings.crop == "resized" else None,
        seed=seed,
        first_step=first_step,
        share=share,
    )
