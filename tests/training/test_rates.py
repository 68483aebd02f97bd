"""The rates that a model with gains is trained at."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from training.rates import draw_rates, lambdas
from training.settings import TrainSettings

SETTINGS = TrainSettings(lambda1=0.001, lambda1_top=0.1)


def test_rates_are_geometric_between_both_ends():
    np.testing.assert_allclose(lambdas(SETTINGS, 3), [0.001, 0.01, 0.1])
    np.testing.assert_allclose(lambdas(SETTINGS, 1), [0.001])


def test_a_model_without_gains_has_the_settings_rate():
    rates = draw_rates(SETTINGS, 0, 4, tf.constant([1, 2]))
    assert rates == (None, 0.001, None)


def test_each_share_of_the_range_is_drawn_once_a_batch():
    seen = []
    for seed in range(200):
        rates = draw_rates(SETTINGS, 5, 4, tf.constant([seed, 2]))
        np.testing.assert_array_equal(np.floor(rates.rate_index), np.arange(4))
        seen.append(rates.rate_index)
    assert np.min(seen) < 0.1
    assert np.max(seen) > 3.9


def test_lambdas_and_weights_follow_the_index():
    rates = draw_rates(SETTINGS, 3, 8, tf.constant([1, 2]))
    expected = np.interp(rates.rate_index, [0, 1, 2], np.log([0.001, 0.01, 0.1]))
    np.testing.assert_allclose(np.log(rates.lambda1), expected, rtol=1e-5)
    np.testing.assert_allclose(rates.weights, np.sqrt(0.01 / rates.lambda1.numpy()), rtol=1e-4)


def test_one_gain_means_one_rate():
    rates = draw_rates(dataclasses.replace(SETTINGS, lambda1=0.02), 1, 2, tf.constant([1, 2]))
    np.testing.assert_array_equal(rates.rate_index, [0, 0])
    assert rates.lambda1 == pytest.approx(0.02)
