"""The reconstruction: the size of its pictures, their scale and the two paths of a stage."""

import numpy as np
import pytest
import tensorflow as tf

from models.features import FeatureExtractor
from models.reconstruction import Reconstruction, UpStage
from tests.models.tiny import tiny_config

STRIDES = [(4, 2, 1, 1), (4, 2, 2, 1), (2, 2, 1, 1), (4, 2, 2, 2)]


def features(*shape):
    return tf.constant(np.random.default_rng(1).uniform(-1, 1, shape), tf.float32)


@pytest.mark.parametrize("normalisation", ["batch", "gdn"])
@pytest.mark.parametrize("strides", STRIDES)
def test_pictures_come_back_in_their_size(strides, normalisation):
    config = tiny_config(strides=strides, normalisation=normalisation, filters=6, latents=5)
    x = tf.zeros((2, 2 * config.stride, 3 * config.stride, 3))
    x_hat = Reconstruction(config)(FeatureExtractor(config)(x))
    assert x_hat.shape == x.shape


@pytest.mark.parametrize("strides", STRIDES)
def test_both_paths_of_every_stage_change_the_picture(strides):
    reconstruction = Reconstruction(tiny_config(strides=strides))
    f_hat = features(1, 2, 2, 8)
    x_hat = reconstruction(f_hat).numpy()
    for stage in reconstruction.stages:
        for variable in (stage.gain.gain, stage.deconv.kernel):
            before = variable.numpy()
            variable.assign(tf.zeros_like(variable))
            assert np.abs(reconstruction(f_hat) - x_hat).max() > 1e-2
            variable.assign(before)
    np.testing.assert_array_equal(reconstruction(f_hat), x_hat)


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(4, 4, 1), (4, 4, 2), (4, 3, 4)])
def test_plain_path_is_an_interpolation(inputs, outputs, stride):
    stage = UpStage(inputs, outputs, 5, stride, gain=0.5, name="up")
    x = features(1, 3, 4, inputs)
    stage(x)
    stage.deconv.kernel.assign(tf.zeros_like(stage.deconv.kernel))
    projected = x if stage.project is None else tf.matmul(x, stage.project.kernel[0])
    expected = 0.5 * tf.image.resize(projected, (3 * stride, 4 * stride))
    np.testing.assert_allclose(stage(x), expected, atol=1e-5)


def test_nothing_in_gives_mid_grey():
    reconstruction = Reconstruction(tiny_config(normalisation="gdn"))
    np.testing.assert_allclose(reconstruction(tf.zeros((1, 2, 2, 8))), 127.5, atol=1e-3)
