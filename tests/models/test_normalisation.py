"""Batch normalisation with its leaky ReLU, and GDN by its formula."""

import numpy as np
import pytest
import tensorflow as tf

from models.normalisation import make_normalisation


@pytest.fixture
def x():
    return tf.constant(np.random.default_rng(2).normal(1, 2, (8, 6, 6, 3)), tf.float32)


def test_batch_normalises_what_the_leaky_relu_leaves(x):
    layer = make_normalisation("batch")
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), 1, atol=1e-2)
    leaky = np.where(x > 0, x, 0.2 * x)
    expected = (leaky - leaky.mean(axis=(0, 1, 2))) / leaky.std(axis=(0, 1, 2))
    np.testing.assert_allclose(y, expected, atol=1e-2)


def test_batch_uses_moving_statistics_outside_training(x):
    layer = make_normalisation("batch")
    leaky = np.where(x > 0, x, 0.2 * x)
    np.testing.assert_allclose(layer(x), leaky / np.sqrt(1.001), rtol=1e-4)
    layer(x, training=True)
    np.testing.assert_allclose(
        layer.batch.moving_mean, 0.01 * leaky.mean(axis=(0, 1, 2)), rtol=1e-4
    )


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_divides_and_its_inverse_multiplies(x, inverse):
    layer = make_normalisation("gdn", inverse=inverse)
    layer(x)
    rng = np.random.default_rng(3)
    for variable in layer.trainable_variables:
        variable.assign(rng.uniform(0.2, 0.6, variable.shape).astype(np.float32))
    beta, gamma = tf.square(layer.beta), tf.square(layer.gamma)
    assert np.ptp(gamma) > 0.05
    pool = beta + tf.linalg.matmul(tf.abs(x), gamma)
    np.testing.assert_allclose(layer(x), x * pool if inverse else x / pool, rtol=1e-4)


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_is_that_of_tensorflow_compression(x, inverse):
    tfc = pytest.importorskip("tensorflow_compression")
    ours, theirs = make_normalisation("gdn", inverse=inverse), tfc.GDN(inverse=inverse)
    np.testing.assert_array_equal(ours(x), theirs(x))
    rng = np.random.default_rng(3)
    for a, b in zip(ours.trainable_variables, theirs.trainable_variables, strict=True):
        assert a.shape == b.shape
        # Some below the bound, where only gradients that pull up get through.
        value = rng.uniform(-0.2, 0.6, a.shape).astype(np.float32)
        a.assign(value)
        b.assign(value)
    gradients = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y * tf.sin(x))
        gradients.append([y, *tape.gradient(loss, [x, *layer.trainable_variables])])
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
