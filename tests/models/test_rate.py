"""Eq. 5 and 6: probabilities of symbols and their sum in bits."""

import numpy as np
import pytest
import tensorflow as tf

from models.rate import LEAST_PROBABILITY, FactorisedPrior
from tests.models.densities import prob

CHANNELS = 3


@pytest.fixture
def prior():
    """A prior whose channels have different, lopsided densities."""
    layer = FactorisedPrior(CHANNELS)
    rng = np.random.default_rng(5)
    for variable in layer.trainable_variables:
        variable.assign_add(rng.normal(0, 0.3, variable.shape).astype(np.float32))
    return layer


def probabilities(prior, y):
    """P(y) without the floor that `bits_per_symbol` puts under it."""
    bits = prior.bits_per_symbol(tf.constant(y, tf.float32)).numpy().astype(np.float64)
    return 2.0**-bits - LEAST_PROBABILITY


def test_probability_is_the_integral_of_the_density_over_the_bin(prior):
    y = np.linspace(-20, 20, 33)[:, None] + np.array([0.0, 0.2, -0.3])
    # Simpson's rule over [y - 1/2, y + 1/2].
    nodes, weights = np.linspace(-0.5, 0.5, 41), np.array([1] + [4, 2] * 19 + [4, 1]) / 120
    density = prob(prior.density, y + nodes[:, None, None])
    integral = np.tensordot(weights, density.numpy().astype(np.float64), 1)
    assert len(np.unique(integral.round(6))) > 30
    np.testing.assert_allclose(probabilities(prior, y), integral, rtol=1e-3, atol=1e-6)


def test_rate_is_the_sum_over_symbols(prior):
    y = np.random.default_rng(1).normal(0, 4, (4, 3, 2, CHANNELS))
    bits = prior(tf.constant(y, tf.float32)).numpy()
    expected = -np.log2(probabilities(prior, y) + LEAST_PROBABILITY).sum(axis=(1, 2, 3))
    assert bits.shape == (4,)
    np.testing.assert_allclose(bits, expected, rtol=1e-5)


def test_probabilities_of_all_symbols_sum_to_one(prior):
    middles = np.repeat(np.arange(-3000, 3000)[:, None] - 0.5, CHANNELS, axis=1)
    np.testing.assert_allclose(probabilities(prior, middles).sum(axis=0), 1.0, atol=1e-3)


def test_unlikely_symbols_cost_no_more_than_the_floor(prior):
    y = tf.Variable(tf.fill((1, 1, 1, CHANNELS), 1e5))
    with tf.GradientTape() as tape:
        bits = prior.bits_per_symbol(y)
    np.testing.assert_allclose(bits, -np.log2(LEAST_PROBABILITY), rtol=1e-5)
    assert np.isfinite(tape.gradient(bits, y)).all()


def test_channels_have_densities_of_their_own(prior):
    before = prior.bits_per_symbol(tf.zeros((1, CHANNELS))).numpy()
    for variable in prior.trainable_variables:
        change = np.zeros(variable.shape, np.float32)
        change[1] = 0.5
        variable.assign_add(change)
    after = prior.bits_per_symbol(tf.zeros((1, CHANNELS))).numpy()
    np.testing.assert_array_equal(after[0, [0, 2]], before[0, [0, 2]])
    assert after[0, 1] != before[0, 1]


def test_learned_rate_is_the_entropy_of_the_symbols():
    prior = FactorisedPrior(1)
    adam = tf.keras.optimizers.Adam(0.05)
    rng = np.random.default_rng(1)
    y = tf.constant(rng.laplace(0.3, 2.0, (1, 60, 60, 1)) // 1 + 0.5, tf.float32)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            bits = prior(y)[0] / 3600.0
        variables = prior.trainable_variables
        adam.apply_gradients(zip(tape.gradient(bits, variables), variables, strict=True))

    for _ in range(250):
        step()
    share = np.unique(y, return_counts=True)[1] / 3600
    entropy = -(share * np.log2(share)).sum()
    bits = prior(y).numpy()[0] / 3600
    # Nothing codes below the entropy, but for the floor's 64 symbols' worth of 2**-20.
    assert entropy - 1e-3 <= bits <= 1.03 * entropy
