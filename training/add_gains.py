"""Gains for a model that was trained at one rate, so that it is trained on at several.

Each rate begins as the model was, with quantiser steps that suit its λ1. Channels that carry
the mean colour of a block begin finer still: where densities know their neighbours, means
cost little, and errors in them are what is seen in skies.
"""

from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf

from deepsic.config import ModelConfig
from models import quantiser
from models.deepsic import DeepSIC
from training.initialise import USED_RANGE

# How much finer the steps of mean colours begin, and how many steps such a channel spreads
# over flat pictures of all colours at least.
FINER = 1.6
MEAN_SPREAD = 1.5


def add_gains(model: DeepSIC, old: ModelConfig, x: np.ndarray, scales: np.ndarray) -> None:
    """Sets the gains, in place.

    Args:
      model: with gains of no effect yet, and the weights of a model without gains.
      old: that model's configuration.
      x: float32 (N, H, W, 3) in 0–255, pictures to measure the range of features on.
      scales: (gains,), of the old model's features at each rate.

    Raises:
      ValueError: if the old model has gains, or the last stage subsamples.
    """
    if old.gains or model.config.strides[-1] != 1:
        raise ValueError("gains are added to a model that has none and whose last stage is dense.")
    half_old, half = (quantiser.half_levels(c.bits) for c in (old, model.config))
    z = _features(model, x)
    spread = half_old * _features(model, _flat_pictures(model.config.stride)).std(axis=(0, 1, 2))
    finer = np.where(spread > MEAN_SPREAD, FINER, 1.0)
    gain = scales[:, None] * finer * half_old / half
    gain = np.minimum(gain, USED_RANGE / np.maximum(np.abs(z).max(axis=(0, 1, 2)), 1e-6))
    for part, log_gain in ((model.features, np.log(gain)), (model.reconstruction, -np.log(gain))):
        assert part.rate_gains is not None
        part.rate_gains.log_gain.assign(log_gain)
    # Symbol 0 is zero behind the new gains; it was the middle of its bin.
    first = model.reconstruction.stages[0]
    middle = tf.fill((model.config.latents,), -0.5 / half_old)
    first.deconv.bias.assign_add(first.of_constant(middle))


def _features(model: DeepSIC, x: np.ndarray) -> np.ndarray:
    """Features before gains and bound, float32 (N, h, w, latents)."""
    return model.features.centred(tf.constant(x)).numpy()


def _flat_pictures(stride: int) -> np.ndarray:
    """One of each of 27 colours."""
    colours = np.array(list(itertools.product((32, 128, 224), repeat=3)), np.float32)
    return np.tile(colours[:, None, None], (1, 4 * stride, 4 * stride, 1))
