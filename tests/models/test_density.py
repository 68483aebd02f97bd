"""The learned densities, beside tensorflow-compression's."""

import numpy as np
import pytest
import tensorflow as tf

from models.density import NoisyDensity

CHANNELS = 5


@pytest.fixture
def density():
    """Densities that are neither equal nor even."""
    layer = NoisyDensity(CHANNELS)
    rng = np.random.default_rng(0)
    for variable in layer.trainable_variables:
        variable.assign_add(rng.normal(0, 0.4, variable.shape).astype(np.float32))
    return layer


@pytest.fixture
def theirs(density):
    """tensorflow-compression's with the same parameters."""
    tfc = pytest.importorskip("tensorflow_compression")
    made = tfc.NoisyDeepFactorized(batch_shape=(CHANNELS,), init_scale=10)
    ours = {v.name.rsplit("/", 1)[-1]: v for v in density.variables}
    for variable in made.trainable_variables:
        variable.assign(ours[variable.name.rsplit("/", 1)[-1]])
    return made


def points():
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.normal(0, 5, (4, 30, CHANNELS)), rng.normal(0, 60, (4, 30, CHANNELS))])
    return tf.constant(y, tf.float32)


def test_log_probabilities_and_gradients_are_theirs(density, theirs):
    y = points()
    found = []
    for made in (density, theirs):
        by_name = {v.name.rsplit("/", 1)[-1]: v for v in made.trainable_variables}
        names = sorted(by_name)
        with tf.GradientTape() as tape:
            tape.watch(y)
            log_p = made.log_prob(y)
            # Beyond, both are nothing but rounding.
            total = tf.reduce_sum(tf.where(log_p > -12, log_p, 0))
        found.append((log_p, *tape.gradient(total, [y, *(by_name[n] for n in names)])))
    likely = found[0][0].numpy() > -12
    assert likely.sum() > 300
    np.testing.assert_allclose(*(f[0].numpy()[likely] for f in found), rtol=1e-4, atol=1e-5)
    for ours, expected in zip(found[0][1:], found[1][1:], strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(ours, expected, atol=1e-3 * scale)


def test_a_fresh_density_is_theirs():
    tfc = pytest.importorskip("tensorflow_compression")
    ours, theirs = NoisyDensity(3), tfc.NoisyDeepFactorized(batch_shape=(3,), init_scale=10)
    for variable in ours.variables:
        name = variable.name.rsplit("/", 1)[-1]
        other = next(v for v in theirs.trainable_variables if v.name.rsplit("/", 1)[-1] == name)
        assert variable.shape == other.shape
        if "bias" in name:
            assert np.abs(variable).max() <= 0.5
            assert np.std(variable) > 0
        else:
            np.testing.assert_allclose(variable, other, rtol=1e-6)


def test_probabilities_of_bins_side_by_side_sum_to_one(density):
    y = np.repeat(np.arange(-4000.0, 4000.0)[:, None], CHANNELS, axis=1)
    p = np.exp(density.log_prob(tf.constant(y, tf.float32)).numpy().astype(np.float64))
    np.testing.assert_allclose(p.sum(axis=0), 1.0, atol=1e-3)
