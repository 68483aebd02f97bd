"""What must be measured anew when weights have been averaged.

Batch statistics and the medians of the features belong to the weights that they
were gathered with; averaged weights need their own.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from models.deepsic import DeepSIC


def calibrate(model: DeepSIC, patches: Iterable[tf.Tensor], parts: tuple[str, ...]) -> None:
    """Gathers batch statistics and medians with the present weights.

    Args:
      model: is changed.
      patches: batches, each float32 (N, H, W, 3) in 0–255; all of them are used.
      parts: those that were trained; the others keep what they have.
    """
    patches = list(patches)
    norms = [
        layer
        for part in parts
        for layer in getattr(model, part).submodules
        if isinstance(layer, tf.keras.layers.BatchNormalization)
    ]
    if norms:
        _batch_statistics(model, patches, parts, norms)
    if "features" in parts:
        _medians(model, patches)


def _batch_statistics(model, patches, parts, norms) -> None:
    momenta = [layer.momentum for layer in norms]
    for i, x in enumerate(patches):
        for layer in norms:
            layer.momentum = i / (i + 1)  # a plain mean over batches
        model(x, training=True, seed=[0, i], surrogate="mixed", parts=parts)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


def _medians(model, patches) -> None:
    z = np.concatenate([model.features.uncentred(x).numpy() for x in patches])
    model.features.centre.median.assign(np.median(z, axis=(0, 1, 2)))
