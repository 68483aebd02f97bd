"""The densities behind a `models.density.NoisyDensity`."""

import tensorflow as tf


def prob(density, z):
    """p(z), before the convolution with the bin: the slope of the cumulative distribution."""
    z = tf.convert_to_tensor(z, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(z)
        cumulative = tf.sigmoid(density.logits(z))
    return tape.gradient(cumulative, z)
