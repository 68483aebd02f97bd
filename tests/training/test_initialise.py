"""The linear block transform: orthonormal, and a start that already compresses."""

import numpy as np
import pytest
import tensorflow as tf

from models.deepsic import DeepSIC
from tests.models.tiny import tiny_config
from tools.robustness.small_pictures import photograph
from training.initialise import (
    COLOURS,
    block_kernel,
    dct_matrix,
    linear_block_transform,
    quantiser_step,
)


def pictures(first):
    return np.stack([photograph(first + i, 64, 64) for i in range(4)]).astype(np.float32)


def make(**changes):
    tf.keras.utils.set_random_seed(1)
    model = DeepSIC(tiny_config(**({"normalisation": "gdn", "skip_gain": 0.0} | changes)))
    model.create_variables()
    return model


def mse(model, x):
    return float(np.mean((model(x).x_hat - x) ** 2))


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_dct_matrix_is_orthonormal(n):
    d = dct_matrix(n)
    np.testing.assert_allclose(d @ d.T, np.eye(n), atol=1e-6)
    np.testing.assert_allclose(d[0], n**-0.5, rtol=1e-6)
    # Row k changes its sign k times.
    np.testing.assert_array_equal((np.diff(np.sign(d)) != 0).sum(axis=1), np.arange(n))


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("mixing", [COLOURS.T, np.eye(5, dtype=np.float32)])
def test_block_kernel_is_orthonormal(stride, mixing):
    kernel = block_kernel(stride, mixing)
    channels = mixing.shape[0]
    assert kernel.shape == (stride, stride, channels, stride * stride * channels)
    flat = kernel.reshape(-1, kernel.shape[-1])
    np.testing.assert_allclose(flat.T @ flat, np.eye(flat.shape[1]), atol=1e-5)


def test_block_kernel_begins_with_the_mean():
    kernel = block_kernel(4, COLOURS.T)
    np.testing.assert_allclose(kernel[..., 0], 48**-0.5, rtol=1e-5)


def test_quantiser_step_minimises_the_high_rate_loss():
    lambda1 = 0.02
    steps = np.linspace(5, 60, 50_001)
    loss = -np.log2(steps) + lambda1 * steps**2 / 12
    assert quantiser_step(lambda1) == pytest.approx(steps[loss.argmin()], rel=1e-3)


@pytest.mark.parametrize("strides", [(4, 2, 1, 1), (4, 2, 2, 1), (2, 2, 1, 1), (4, 2, 2, 2)])
def test_linear_start_is_several_times_better_than_a_random_one(strides):
    model = make(strides=strides, filters=24, latents=24)
    x = pictures(50)
    random = mse(model, x)
    linear_block_transform(model, pictures(0), np.array([0.01]), seed=1)
    assert mse(model, x) < random / 4


def test_linear_start_uses_several_levels():
    model = make()
    linear_block_transform(model, pictures(0), np.array([0.01]), seed=1)
    q = model.symbols(model.features(pictures(50))).numpy()
    assert len(np.unique(q)) > 10
    assert np.mean((q == -31) | (q == 32)) < 0.2


def test_linear_start_follows_its_seed():
    kernels = []
    for seed in (1, 1, 2):
        model = make()
        linear_block_transform(model, pictures(0), np.array([0.01]), seed=seed)
        kernels.append(model.features.convs[1].kernel.numpy())
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0


def test_batch_normalisation_is_refused():
    model = make(normalisation="batch")
    with pytest.raises(ValueError, match="gdn"):
        linear_block_transform(model, pictures(0), np.array([0.01]), seed=1)
