"""Eq. 1: levels, bins, the surrogate's noise and its gradient."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models import quantiser

BITS = [1, 2, 5, 6, 8]
HUGE = [1e4, 1e9, 1e19, 3.4e38, np.inf]


def symbols(z, bits):
    """The whole way of a feature: bound, steps, ceiling."""
    f = quantiser.bound(tf.constant(z, tf.float32), bits)
    return quantiser.quantise(quantiser.to_steps(f, bits), bits).numpy()


def steps_in_range(bits, count=20_001):
    """Features in steps, over the whole range that `bound` leaves."""
    limit = quantiser.half_levels(bits) - 0.25
    return np.linspace(-limit, limit, count, dtype=np.float32)


@pytest.mark.parametrize("bits", BITS)
def test_bounded_features_take_each_level_and_no_other(bits):
    z = np.concatenate([np.linspace(-5, 5, 200_001), HUGE, np.negative(HUGE)])
    half = 2 ** (bits - 1)
    found = np.unique(symbols(z, bits))
    np.testing.assert_array_equal(found, np.arange(1 - half, half + 1))
    assert len(found) == 2**bits


@settings(max_examples=200)
@given(z=st.floats(width=32, allow_nan=False))
def test_no_number_makes_a_65th_level(z):
    f = quantiser.bound(tf.constant(z), 6).numpy()
    assert -1 < f < 1
    assert -31 <= symbols(z, 6) <= 32


def test_bound_is_odd_monotone_and_straight_in_the_middle():
    z = np.linspace(-6, 6, 4001, dtype=np.float32)
    f = quantiser.bound(tf.constant(z), 6).numpy()
    np.testing.assert_allclose(f, -f[::-1], atol=1e-6)
    assert (np.diff(f) >= -1e-7).all()
    middle = np.abs(z) < 0.4
    np.testing.assert_allclose(f[middle], (1 - 1 / 128) * z[middle], rtol=0.01)


@pytest.mark.parametrize("z", [0.0, 0.5, -3.0, 1e3, 1e9, -1e30])
def test_gradient_of_bound_stays_finite(z):
    x = tf.Variable(z)
    with tf.GradientTape() as tape:
        f = quantiser.bound(x, 6)
    expected = (1 - 1 / 128) * (1 + min(abs(z), 1e4) ** 4) ** -1.25
    assert tape.gradient(f, x).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("bits", BITS)
def test_dequantised_value_is_the_middle_of_a_bin_closed_above(bits):
    y = steps_in_range(bits)
    q = quantiser.quantise(tf.constant(y), bits).numpy()
    assert ((q - 1 < y) & (y <= q)).all()
    restored = quantiser.dequantise(tf.constant(q)).numpy()
    np.testing.assert_array_equal(restored, q - 0.5)
    assert np.abs(restored - y).max() <= 0.5


def test_whole_numbers_close_their_bin():
    whole = np.arange(-30, 32, dtype=np.float32)
    above = whole + np.float32(2**-16)
    np.testing.assert_array_equal(quantiser.quantise(tf.constant(whole), 6), whole)
    np.testing.assert_array_equal(quantiser.quantise(tf.constant(above), 6), whole + 1)


def test_symbols_survive_a_second_quantisation():
    q = tf.range(-31, 33)
    again = quantiser.quantise(quantiser.dequantise(q), 6)
    np.testing.assert_array_equal(again, q)


@pytest.mark.parametrize(("y", "q"), [(32.5, 32), (100.0, 32), (-31.5, -31), (-1e6, -31)])
def test_values_outside_the_range_are_clipped(y, q):
    assert quantiser.quantise(tf.constant(y), 6).numpy() == q


@pytest.mark.parametrize("y", [3e9, np.inf])
def test_values_beyond_every_integer_are_clipped(y):
    assert quantiser.quantise(tf.constant(y, tf.float32), 6).numpy() == 32


def distance_to_uniform(error):
    """Kolmogorov and Smirnov's distance to the uniform distribution over [-1/2, 1/2)."""
    ordered = np.sort(error) + 0.5
    return np.abs(ordered - (np.arange(len(ordered)) + 0.5) / len(ordered)).max()


def test_training_noise_is_distributed_like_the_quantisation_error():
    count = 100_000
    y = np.random.default_rng(1).uniform(-31.75, 31.75, count).astype(np.float32)
    noise = quantiser.add_noise(tf.constant(y), tf.constant([1, 2])).numpy() - y
    error = quantiser.dequantise(quantiser.quantise(tf.constant(y), 6)).numpy() - y
    # Rounding y + noise to float32 moves it by a millionth.
    assert np.abs(noise).max() <= 0.5 + 1e-5
    for sample in (noise, error):
        # A distance above 1.95 / sqrt(count) has a probability of 1 in 1000.
        assert distance_to_uniform(sample) < 1.95 / np.sqrt(count)
        assert abs(sample.mean()) < 4 * np.sqrt(1 / 12 / count)
        assert sample.var() == pytest.approx(1 / 12, rel=0.02)
    assert abs(np.corrcoef(noise, y)[0, 1]) < 0.02


def test_noise_follows_its_seed():
    y = tf.zeros((50,))
    one = quantiser.add_noise(y, tf.constant([1, 7]))
    np.testing.assert_array_equal(one, quantiser.add_noise(y, tf.constant([1, 7])))
    for other in ([1, 8], [2, 7]):
        assert np.abs(one - quantiser.add_noise(y, tf.constant(other))).max() > 0.1


@pytest.mark.parametrize("bits", BITS)
def test_straight_through_has_the_quantised_value_and_the_gradient_of_the_identity(bits):
    y = tf.Variable(steps_in_range(bits, 501))
    with tf.GradientTape() as tape:
        y_hat = quantiser.straight_through(y, bits)
        weighted = tf.reduce_sum(y_hat * tf.range(501.0))
    expected = quantiser.dequantise(quantiser.quantise(y, bits))
    np.testing.assert_allclose(y_hat, expected, atol=1e-4)
    np.testing.assert_array_equal(tape.gradient(weighted, y), np.arange(501.0))


def test_soft_rounding_keeps_edges_and_middles_and_draws_to_the_middles():
    fixed = np.arange(-8, 9) / 2
    np.testing.assert_allclose(
        quantiser.round_softly(tf.constant(fixed, tf.float32)), fixed, atol=1e-6
    )
    y = np.linspace(-3, 3, 601, dtype=np.float32)
    soft = quantiser.round_softly(tf.constant(y)).numpy()
    assert (np.diff(soft) > 0).all()
    middle = np.floor(y) + 0.5
    assert (np.abs(soft - middle) <= np.abs(y - middle) + 1e-5).all()
    assert np.abs(soft - middle).mean() < 0.65 * np.abs(y - middle).mean()
