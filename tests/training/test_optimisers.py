"""Schedules, learning rates by kind of variable, bad gradients and averages."""

import types

import numpy as np
import pytest
import tensorflow as tf

from training.optimisers import Optimisers, Schedule
from training.settings import TrainSettings


def rates(at, **settings):
    schedule = Schedule(0.003, TrainSettings(**settings))
    return [float(schedule(tf.constant(step, tf.int64))) for step in at]


def test_rate_decays_twice_by_five_where_the_settings_say():
    found = rates([0, 499, 500, 799, 800, 999, 5000], steps=1000)
    np.testing.assert_allclose(found, [3e-3, 3e-3, 6e-4, 6e-4, 1.2e-4, 1.2e-4, 1.2e-4], rtol=1e-5)


def test_decays_of_the_papers_run_are_exact():
    found = rates([3_999_999, 4_000_000, 6_399_999, 6_400_000], steps=8_000_000)
    np.testing.assert_allclose(found, [3e-3, 6e-4, 6e-4, 1.2e-4], rtol=1e-5)


def test_factor_and_places_of_decays_are_free():
    found = rates([0, 10, 20, 30], steps=40, decay=2.0, decay_at=(0.25, 0.5, 0.75))
    np.testing.assert_allclose(found, [3e-3, 1.5e-3, 7.5e-4, 3.75e-4], rtol=1e-5)


def test_cosine_falls_to_zero():
    found = rates([0, 25, 50, 75, 100, 150], steps=100, schedule="cosine")
    expected = 0.0015 * (1 + np.cos(np.pi * np.array([0, 0.25, 0.5, 0.75, 1, 1])))
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("schedule", ["steps", "cosine"])
def test_warm_up_rises_in_a_line_to_the_schedule(schedule):
    settings = {"steps": 100_000, "schedule": schedule}
    at = [0, 1, 4, 9, 10, 60_000]
    ratio = np.array(rates(at, warmup=10, **settings)) / rates(at, **settings)
    np.testing.assert_allclose(ratio, [0.1, 0.2, 0.5, 1, 1, 1], rtol=1e-5)


class Part:
    """A part of a model with one variable of two numbers."""

    def __init__(self, *extra):
        self.own = tf.Variable([1.0, -2.0])
        self.fully_connected = list(extra)
        self.trainable_variables = [self.own, *extra]
        self.statistic = tf.Variable([4.0], trainable=False)
        self.non_trainable_variables = [self.statistic]


def stub(**settings):
    """A model of bare variables and its optimisers."""
    model = types.SimpleNamespace(
        features=Part(),
        prior=Part(),
        reconstruction=Part(),
        semantics=Part(tf.Variable([1.0, -2.0]), tf.Variable([1.0, -2.0])),
    )
    return model, Optimisers(model, TrainSettings(**settings))


def constant_gradients(optimisers, value):
    return [tf.fill(v.shape, value) for v in optimisers.variables_to_train]


def values(optimisers):
    return [v.numpy() for v in optimisers.variables_to_train]


def test_each_kind_of_variable_has_its_rate():
    model, optimisers = stub(lr=0.001, prior_lr=0.02, fc_lr_factor=3.0)
    optimisers.apply(constant_gradients(optimisers, 0.7))
    # Adam's first step has the size of the rate.
    expected = [
        (model.features.own, 0.001),
        (model.reconstruction.own, 0.001),
        (model.semantics.own, 0.001),
        (model.prior.own, 0.02),
        *((v, 0.003) for v in model.semantics.fully_connected),
    ]
    assert len(optimisers.variables_to_train) == len(expected)
    for variable, rate in expected:
        np.testing.assert_allclose([1.0, -2.0] - variable.numpy(), rate, rtol=1e-3)


def test_gradients_go_to_their_variables():
    _, optimisers = stub(lr=0.01)
    before = values(optimisers)
    gradients = [tf.fill(v.shape, 0.0) for v in optimisers.variables_to_train]
    gradients[2] = tf.constant([1.0, -1.0])
    optimisers.apply(gradients)
    for i, (old, new) in enumerate(zip(before, values(optimisers), strict=True)):
        np.testing.assert_allclose(new - old, [-0.01, 0.01] if i == 2 else 0, atol=1e-6)


@pytest.mark.parametrize("parts", [("prior",), ("semantics",), ("features", "reconstruction")])
def test_only_the_parts_named_learn(parts):
    model, optimisers = stub(parts=parts)
    expected = [v for p in parts for v in getattr(model, p).trainable_variables]
    assert {id(v) for v in optimisers.variables_to_train} == {id(v) for v in expected}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gradient_that_is_not_finite_changes_no_weight(bad):
    _, optimisers = stub()
    before = values(optimisers)
    gradients = constant_gradients(optimisers, 0.5)
    gradients[1] = tf.constant([1.0, bad])
    norm = optimisers.apply(gradients)
    assert not np.isfinite(norm)
    np.testing.assert_array_equal(values(optimisers), before)
    assert np.isfinite(optimisers.apply(constant_gradients(optimisers, 0.5)))
    assert np.isfinite(values(optimisers)).all()
    assert (values(optimisers) != np.array(before)).all()


def momentum_norm(optimisers):
    """The gradient's norm as Adam's first moment has seen it, after one step."""
    squares = [
        tf.reduce_sum((m / (1 - adam.beta_1)) ** 2)
        for adam in optimisers.adams
        for m in adam._momentums
    ]
    return float(tf.sqrt(tf.add_n(squares)))


@pytest.mark.parametrize(
    ("clip", "size", "expected"), [(1.0, 5.0, 1), (1.0, 0.1, 0), (0.0, 5.0, 0)]
)
def test_clip_bounds_the_norm(clip, size, expected):
    _, optimisers = stub(clip=clip)
    gradients = constant_gradients(optimisers, size)
    norm = float(optimisers.apply(gradients))
    assert norm == pytest.approx(size * 12**0.5, rel=1e-5)
    assert momentum_norm(optimisers) == pytest.approx(expected or norm, rel=1e-4)


def test_averages_are_the_moving_averages_of_the_weights():
    _, optimisers = stub(ema=0.8, lr=0.1, prior_lr=0.1)
    averages = np.array(values(optimisers))
    for step in range(6):
        optimisers.apply(constant_gradients(optimisers, 1.0 if step < 4 else -3.0))
        averages = 0.8 * averages + 0.2 * np.array(values(optimisers))
    assert np.abs(averages - values(optimisers)).max() > 0.05
    optimisers.use_averages()
    np.testing.assert_allclose(values(optimisers), averages, rtol=1e-5)


def test_statistics_are_averaged_with_the_weights():
    model, optimisers = stub(ema=0.75, parts=("features",))
    model.features.statistic.assign([8.0])
    optimisers.average_statistics()
    optimisers.average_statistics()
    optimisers.use_averages()
    assert model.features.statistic.numpy() == pytest.approx(8 - 4 * 0.75**2)
    assert model.prior.statistic.numpy() == 4


def test_without_averages_all_stays():
    model, optimisers = stub(ema=0.0)
    optimisers.apply(constant_gradients(optimisers, 1.0))
    before = values(optimisers)
    model.features.statistic.assign([8.0])
    optimisers.average_statistics()
    optimisers.use_averages()
    np.testing.assert_array_equal(values(optimisers), before)
    assert model.features.statistic.numpy() == 8
