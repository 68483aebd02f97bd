"""The rates that a model with gains is trained at, all in every batch."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from models import replicas
from training.settings import TrainSettings


class Rates(NamedTuple):
    """Where each picture of a batch stands between the model's rates.

    Attributes:
      rate_index: float32 (N,), 0 to gains - 1, or None for a model of one rate.
      lambda1: float32 (N,), geometric between the settings' two, or the settings' one.
      weights: float32 (N,), of each picture's R + λ1·D, or None. Costs grow about as √λ1;
        divided by that, every rate is worth the same.
    """

    rate_index: tf.Tensor | None
    lambda1: tf.Tensor | float
    weights: tf.Tensor | None


def lambdas(settings: TrainSettings, gains: int) -> np.ndarray:
    """λ1 of each of the model's rates, float64 (gains,), from the lowest to the highest."""
    return np.geomspace(settings.lambda1, settings.lambda1_top, gains)


def draw_rates(settings: TrainSettings, gains: int, count: int, seed: tf.Tensor) -> Rates:
    """Rates for a batch, evenly spread over the model's range and random within their share.

    Args:
      settings: whose lambda1 and lambda1_top are those of the first and the last rate.
      gains: of the model's configuration.
      count: of this replica's pictures.
      seed: int (2,).
    """
    if not gains:
        return Rates(None, settings.lambda1, None)
    if gains == 1:
        return Rates(tf.zeros(count), settings.lambda1, None)
    pictures = count * replicas.count()
    drawn = tf.random.stateless_uniform((pictures,), seed)
    place = replicas.own_rows(tf.range(pictures, dtype=tf.float32) + drawn)
    index = place / pictures * (gains - 1)
    low, high = math.log(settings.lambda1), math.log(settings.lambda1_top)
    log_lambda = low + index / (gains - 1) * (high - low)
    return Rates(index, tf.exp(log_lambda), tf.exp((low + high) / 4 - log_lambda / 2))
