"""The 6-bit quantiser of section III-B (eq. 1), its inverse, and its training surrogate.

A feature f in (-1, 1] has 2**B levels. Everything here works in steps,
y = 2**(B-1) f, so that the symbols are the integers q = ceil(y):

     q = -31           -1     0     1     2            32         (B = 6)
    ├──────┤  ·  ·  ├─────┼─────┼─────┼─────┤  ·  ·  ├──────┤
   -32    -31      -2    -1     0     1     2       31     32      y
                              -0.5   0.5                           Q⁻¹(q) = q - 1/2

The ceiling's error is one-sided, so the inverse returns the middle of the bin.
"""

from __future__ import annotations

import math

import tensorflow as tf

from models import replicas


def half_levels(bits: int) -> int:
    """2**(B-1): steps in a feature of size 1."""
    return 1 << (bits - 1)


def lowest_symbol(bits: int) -> int:
    """The smallest symbol: -31 for B = 6."""
    return 1 - half_levels(bits)


def bound(z: tf.Tensor, bits: int) -> tf.Tensor:
    """Maps any real number smoothly into (-1, 1), where eq. 1 has 2**B levels.

    The curve z / (1 + z⁴)^¼ is straight for longer than tanh is, so that large
    features keep evenly spaced levels. It is scaled to stop a quarter of a
    step short of ±1: at -1 exactly, the ceiling would make a 65th level.

    Args:
      z: float tensor, any shape.
      bits: B of eq. 1.

    Returns:
      f, same shape, |f| < 1.
    """
    z = tf.clip_by_value(z, -1e4, 1e4)
    limit = 1.0 - 0.25 / half_levels(bits)
    return limit * z * tf.math.rsqrt(tf.sqrt(1.0 + tf.square(tf.square(z))))


def to_steps(f: tf.Tensor, bits: int) -> tf.Tensor:
    """y = 2**(B-1) f, features in quantiser steps."""
    return f * float(half_levels(bits))


def quantise(y: tf.Tensor, bits: int) -> tf.Tensor:
    """Eq. 1 in steps: q = ceil(y), int32 in [1 - 2**(B-1), 2**(B-1)].

    Args:
      y: float tensor of features in steps, any shape; values outside the range
        of eq. 1 are clipped into it.
      bits: B of eq. 1.
    """
    # Clipped as floats: a cast of what exceeds int32 would wrap around.
    low, high = float(lowest_symbol(bits)), float(half_levels(bits))
    return tf.cast(tf.clip_by_value(tf.math.ceil(y), low, high), tf.int32)


def dequantise(q: tf.Tensor) -> tf.Tensor:
    """Q⁻¹(q) = q - 1/2 in steps: the middle of the bin (q - 1, q]."""
    return tf.cast(q, tf.float32) - 0.5


# How hard `round_softly` rounds.
SHARPNESS = 4.0


def round_softly(y: tf.Tensor) -> tf.Tensor:
    """Moves y towards the middle of its bin, smoothly (Agustsson and Theis 2020).

    Noise after it overstates the rate less than noise alone. The edges of the bins, the
    whole numbers, and their middles stay where they are.

    Args:
      y: float tensor of features in steps.
    """
    edge = tf.floor(y + 0.5)
    return edge + 0.5 * tf.tanh(SHARPNESS * (y - edge)) / math.tanh(SHARPNESS / 2)


def add_noise(y: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The training surrogate: y plus the error Q⁻¹(Q(y)) - y, drawn at random.

    That error is uniform over one bin, [-1/2, 1/2) of a step around y.

    Args:
      y: float tensor of features in steps.
      seed: int tensor of shape (2,): the same seed gives the same noise, however many replicas
        share the batch.
    """
    shape = replicas.all_rows(tf.shape(y))
    noise = replicas.own_rows(tf.random.stateless_uniform(shape, seed, -0.5, 0.5))
    noise.set_shape(y.shape)
    return y + noise


def straight_through(y: tf.Tensor, bits: int) -> tf.Tensor:
    """Q⁻¹(Q(y)) with the gradient of the identity."""
    return y + tf.stop_gradient(dequantise(quantise(y, bits)) - y)
