"""How much the picture moves with each channel of what the decoder is fed with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from models.deepsic import DeepSIC


def measure_curvature(model: DeepSIC, batches: Iterable[np.ndarray], seed: int) -> np.ndarray:
    """Half the mean second derivative of the squared error, float32 (latents,).

    That is the mean over positions of Σ (∂x_hat/∂y)², over all pixels and colours, which random
    signs on the pixels estimate (Hutchinson 1990).

    Args:
      model: whose decoder is measured, at its highest rate.
      batches: of pictures, float32 (N, H, W, 3) in 0–255, sides multiples of the stride.
      seed: of the signs.
    """

    @tf.function(autograph=False, reduce_retracing=True)
    def squares(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        gains = model.config.gains
        index = tf.fill(tf.shape(x)[:1], float(gains - 1)) if gains else None
        f_hat = model.restore(model.symbols(model.features(x, index)))
        y = model.reconstruction.unscaled(f_hat, index)
        signs = tf.sign(tf.random.stateless_uniform(tf.shape(x), seed, -1.0, 1.0))
        with tf.GradientTape() as tape:
            tape.watch(y)
            moved = tf.reduce_sum(signs * model.reconstruction.decode(y))
        return tf.reduce_mean(tape.gradient(moved, y) ** 2, axis=(0, 1, 2))

    found = [squares(tf.constant(x), (seed, number)).numpy() for number, x in enumerate(batches)]
    return np.mean(found, axis=0, dtype=np.float32)
