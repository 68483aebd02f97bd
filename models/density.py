"""A learned density for each channel, convolved with a bin of width one (eq. 5).

The cumulative distribution is a small network that rises everywhere, as in appendix 6.1 of
Ballé et al. 2018, "Variational image compression with a scale hyperprior"; the convolution is
a difference of it at both ends of the bin, appendix 6.2.
"""

from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf

# Units of the network's layers, the first and the last being its argument and its value.
WIDTHS = (1, 3, 3, 1)
# About how far from zero values lie at first.
SCALE = 10.0


class NoisyDensity(tf.keras.layers.Layer):
    """The density of y = z + u: z of the learned density, u uniform in (-1/2, 1/2).

    Args:
      channels: how many densities there are.
      name: of the layer.
    """

    def __init__(self, channels: int, name: str = "density") -> None:
        super().__init__(name=name, dtype="float32")
        self.channels = channels
        self.matrices, self.biases, self.factors = [], [], []
        scale = SCALE ** (1 / (len(WIDTHS) - 1))
        for i, (inputs, outputs) in enumerate(itertools.pairwise(WIDTHS)):
            # Through softplus it is 1 / scale / outputs.
            start = np.log(np.expm1(1 / scale / outputs))
            add = self.add_weight
            constant = tf.keras.initializers.Constant(start)
            uniform = tf.keras.initializers.RandomUniform(-0.5, 0.5)
            self.matrices.append(add(f"matrix_{i}", (channels, outputs, inputs), None, constant))
            self.biases.append(add(f"bias_{i}", (channels, outputs, 1), None, uniform))
            if i < len(WIDTHS) - 2:
                self.factors.append(add(f"factor_{i}", (channels, outputs, 1), None, "zeros"))

    def logits(self, z: tf.Tensor) -> tf.Tensor:
        """Logits of P(Z ≤ z), shaped like z, float32 (…, channels)."""
        flat = tf.transpose(tf.reshape(z, (-1, 1, self.channels)), (2, 1, 0))
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            flat = tf.matmul(tf.nn.softplus(matrix), flat) + bias
            if i < len(self.factors):
                flat += tf.tanh(self.factors[i]) * tf.tanh(flat)
        return tf.reshape(tf.transpose(flat, (2, 1, 0)), tf.shape(z))

    def log_prob(self, y: tf.Tensor) -> tf.Tensor:
        """log of the probability of the bin (y - 1/2, y + 1/2), shaped like y."""
        upper, lower = self.logits(y + 0.5), self.logits(y - 0.5)
        # Right of the median the difference is taken between what is above, not below.
        right = upper > 0
        big = tf.math.log_sigmoid(tf.where(right, -lower, upper))
        small = tf.math.log_sigmoid(tf.where(right, -upper, lower))
        return tf.math.log1p(-tf.exp(small - big)) + big
