"""The rate term R (section III-E, eq. 5 and 6).

Each channel has a learned density. Convolved with the quantiser's bin it gives
the probability of a symbol (eq. 5), and the rate is the expected number of bits

    R = -E[ Σ_i log2 P(y_i) ]

(eq. 6, which is printed without its minus sign).
"""

from __future__ import annotations

import tensorflow as tf

from models.density import NoisyDensity

# Probabilities under 2**-20 cost no more than that: the entropy coder has a floor too.
LEAST_PROBABILITY = 2.0**-20


class FactorisedPrior(tf.keras.layers.Layer):
    """A learned density for each channel, convolved with the bin (eq. 5).

    Call with y, float32 (N, h, w, latents) in quantiser steps, noisy or
    dequantised. Returns the bits of each example, float32 (N,).
    """

    def __init__(self, latents: int, name: str = "prior") -> None:
        super().__init__(name=name, dtype="float32")
        self.density = NoisyDensity(latents)

    def bits_per_symbol(self, y: tf.Tensor) -> tf.Tensor:
        """-log2 P(y), shaped like y, whose last axis is the channel."""
        floor = tf.math.log(LEAST_PROBABILITY)
        log_p = tf.reduce_logsumexp(
            tf.stack([self.density.log_prob(y), tf.fill(tf.shape(y), floor)]), axis=0
        )
        return log_p / -tf.math.log(2.0)

    def call(self, y: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.bits_per_symbol(y), axis=(1, 2, 3))
