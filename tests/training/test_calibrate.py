"""Averaged weights get statistics of their own."""

import numpy as np
import pytest
import tensorflow as tf

from models.config import PARTS, ModelConfig
from models.deepsic import DeepSIC
from training.calibrate import calibrate


@pytest.fixture
def patches():
    rng = np.random.default_rng(0)
    return [tf.constant(rng.uniform(0, 255, (4, 32, 32, 3)), tf.float32) for _ in range(3)]


def make(normalisation):
    tf.keras.utils.set_random_seed(0)
    model = DeepSIC(
        ModelConfig(filters=8, latents=8, classes=3, head_width=4, normalisation=normalisation)
    )
    model.create_variables()
    return model


def test_medians_are_in_mid_bin_again(patches):
    model = make("gdn")
    model.features.convs[3].bias.assign_add(tf.linspace(-0.9, 0.9, 8))
    calibrate(model, patches, PARTS)
    f = np.concatenate([model.features(x) for x in patches])
    np.testing.assert_allclose(np.median(f, axis=(0, 1, 2)), -0.5 / 32, atol=5e-4)


def test_batch_statistics_are_means_over_all_batches(patches):
    model = make("batch")
    first = model.features.norms[0].batch
    calibrate(model, patches, PARTS)
    outputs = [tf.nn.leaky_relu(model.features.convs[0](x / 255.0 - 0.5), 0.2) for x in patches]
    expected = np.mean([y.numpy().mean(axis=(0, 1, 2)) for y in outputs], axis=0)
    np.testing.assert_allclose(first.moving_mean, expected, rtol=1e-3, atol=1e-5)
    assert first.momentum == 0.99


def test_parts_that_were_not_trained_keep_theirs(patches):
    model = make("batch")
    kept = [v.numpy() for p in ("features", "reconstruction") for v in getattr(model, p).variables]
    changed = model.semantics.even.moving_mean.numpy()
    calibrate(model, patches, ("semantics",))
    now = [v.numpy() for p in ("features", "reconstruction") for v in getattr(model, p).variables]
    for a, b in zip(kept, now, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (model.semantics.even.moving_mean.numpy() != changed).all()
