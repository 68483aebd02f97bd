"""The written-out gradient of the squared error, beside TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from models.deepsic import DeepSIC
from models.gradient import squared_error_gradient
from tests.models.tiny import tiny_config


@pytest.mark.parametrize(
    ("strides", "kernels", "decoder_blocks"),
    [
        ((4, 2, 1, 1), (7, 5, 3, 3), 2),
        ((4, 2, 2, 1), (9, 5, 5, 3), 0),
        ((4, 2, 1, 2), (7, 5, 3, 5), 0),
    ],
)
def test_gradient_is_tensorflows(strides, kernels, decoder_blocks):
    tf.keras.utils.set_random_seed(1)
    config = tiny_config(
        strides=strides,
        kernels=kernels,
        decoder_blocks=decoder_blocks,
        normalisation="gdn",
        skip_gain=0.7,
    )
    model = DeepSIC(config)
    model.create_variables()
    decoder = model.reconstruction
    for block in decoder.blocks:
        block.second.kernel.assign(tf.random.normal(block.second.kernel.shape))
    y = tf.random.normal((2, 5, 7, config.latents))
    x = tf.random.uniform((2, 5 * config.stride, 7 * config.stride, 3), 0, 255)
    with tf.GradientTape() as tape:
        tape.watch(y)
        x_hat = decoder(y)
        error = tf.reduce_sum((tf.clip_by_value(x_hat, 0.0, 255.0) - x) ** 2)
    assert 0.05 < np.mean((x_hat < 0) | (x_hat > 255)) < 0.95
    expected = tape.gradient(error, y).numpy()
    found = squared_error_gradient(decoder, y, x).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
