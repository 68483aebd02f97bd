"""The feature extractor: sizes, range, skip paths and the centring of channels."""

import numpy as np
import pytest
import tensorflow as tf

from models import quantiser
from models.features import Centre, FeatureExtractor, Gains
from tests.models.tiny import tiny_config
from tools.robustness.small_pictures import photograph

STRIDES = [(4, 2, 1, 1), (4, 2, 2, 1), (2, 2, 1, 1), (4, 2, 2, 2)]
STEP = 1 / 32


def pictures(height, width, count=2):
    return tf.constant([photograph(i, height, width) for i in range(count)], tf.float32)


@pytest.mark.parametrize("normalisation", ["batch", "gdn"])
@pytest.mark.parametrize("strides", STRIDES)
def test_features_have_one_cell_per_stride(strides, normalisation):
    config = tiny_config(strides=strides, normalisation=normalisation, filters=6, latents=5)
    f = FeatureExtractor(config)(pictures(3 * config.stride, config.stride))
    assert f.shape == (2, 3, 1, 5)


def test_features_stay_between_minus_one_and_one():
    extractor = FeatureExtractor(tiny_config(normalisation="gdn"))
    x = pictures(32, 32)
    extractor(x)
    for conv in extractor.convs:
        conv.kernel.assign(conv.kernel * 100)
    f = extractor(x).numpy()
    assert np.abs(f).max() < 1
    assert np.ptp(f) > 1.9


@pytest.mark.parametrize("strides", STRIDES)
def test_every_skip_path_changes_the_features(strides):
    extractor = FeatureExtractor(tiny_config(strides=strides))
    x = pictures(64, 64)
    f = extractor(x).numpy()
    assert sorted(extractor.gains) == ["1to3", "1to4", "2to4"]
    for gain in extractor.gains.values():
        gain.gain.assign(0.0)
        without = extractor(x).numpy()
        assert np.abs(f - without).max() > 1e-4
        gain.gain.assign(1.0)
    np.testing.assert_array_equal(extractor(x), f)


def test_skip_gain_of_zero_leaves_a_plain_chain():
    config = tiny_config(skip_gain=0.0)
    extractor = FeatureExtractor(config)
    x = pictures(32, 32)
    f = extractor(x)
    y = x / 255.0 - 0.5
    for conv, norm in zip(extractor.convs, extractor.norms, strict=True):
        y = norm(conv(y), training=False)
    expected = quantiser.bound(y - 0.5 * STEP, config.bits)
    np.testing.assert_allclose(f, expected, atol=1e-6)


def channels(seed, count=4):
    """A batch whose channels have medians of their own, all off the bin's middle."""
    z = np.random.default_rng(seed).normal(0, 0.3 * STEP, (4, 16, 16, count))
    return tf.constant(z + np.linspace(-0.8, 0.9, count) * STEP, tf.float32)


def test_centre_brings_medians_to_the_middle_of_the_bin():
    centre = Centre(bits=6)
    for seed in range(120):
        centre(channels(seed), training=True)
    medians = np.median(centre(channels(1000)), axis=(0, 1, 2)) - 0.5 * STEP
    np.testing.assert_allclose(medians, -0.5 * STEP, atol=0.1 * STEP)
    q = quantiser.quantise(quantiser.to_steps(tf.constant(medians), 6), 6)
    np.testing.assert_array_equal(q, 0)


def test_gradients_through_centre_shift_no_channel():
    centre, z = Centre(bits=6), channels(0)
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = tf.reduce_sum(centre(z, training=True) ** 2)
    gradient = tape.gradient(y, z).numpy()
    expected = 2 * (z - centre.median).numpy()
    expected -= expected.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_centre_stands_still_outside_training():
    centre = Centre(bits=6)
    z = channels(1)
    np.testing.assert_allclose(centre(z), z, atol=1e-7)
    for _ in range(5):
        centre(z, training=False)
    np.testing.assert_array_equal(centre.median, 0)


def test_centre_moves_slowly():
    centre = Centre(bits=6)
    centre(tf.fill((1, 2, 2, 1), 100.0), training=True)
    np.testing.assert_allclose(centre.median, Centre.RATE * STEP, rtol=1e-6)


def test_centre_moves_by_steps_behind_its_gain():
    centre = Centre(bits=6)
    centre(tf.fill((1, 2, 2, 1), 100.0), gain=tf.constant([4.0]), training=True)
    np.testing.assert_allclose(centre.median, Centre.RATE * STEP / 4, rtol=1e-6)


def test_gains_scale_each_rate_and_lie_between():
    gains = Gains(3, 2, "gains")
    gains.log_gain.assign(np.log([[1, 2], [2, 8], [4, 8]]))
    x = tf.ones((4, 1, 1, 2))
    found = gains(x, tf.constant([0.0, 0.5, 1.0, 1.5]))[:, 0, 0]
    expected = [[1, 2], [2**0.5, 4], [2, 8], [8**0.5, 8]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(gains.usual, [2, 128 ** (1 / 3)], rtol=1e-6)
