"""A model of one rate gets gains and does at each what it did, with other steps."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from models.deepsic import DeepSIC
from tests.models.tiny import tiny_config
from tools.robustness.small_pictures import photograph
from training.add_gains import FINER, add_gains
from training.initialise import linear_block_transform

SCALES = np.array([0.5, 1.0])


@pytest.fixture(scope="module")
def x():
    return np.stack([photograph(i, 64, 64) for i in range(4)]).astype(np.float32)


@pytest.fixture(scope="module")
def models(x):
    """A model of one rate and what becomes of it with 8 bits and two rates."""
    tf.keras.utils.set_random_seed(1)
    old = DeepSIC(tiny_config(normalisation="gdn", skip_gain=0.02, filters=24, latents=24))
    old.create_variables()
    linear_block_transform(old, x, np.array([0.01]), seed=1)
    new = DeepSIC(dataclasses.replace(old.config, bits=8, gains=2))
    new.create_variables()
    for part in ("features", "reconstruction"):
        values = {v.name.split("/", 1)[1]: v.numpy() for v in getattr(old, part).variables}
        for variable in getattr(new, part).variables:
            name = variable.name.split("/", 1)[-1]
            if name in values:
                variable.assign(values[name])
    add_gains(new, old.config, x, SCALES)
    return old, new


def test_features_keep_their_size_in_steps_but_for_means(models, x):
    old, new = models
    y_old = 32 * old.features(x).numpy() + 0.5
    small = np.abs(y_old).max(axis=(0, 1, 2)) < 8  # the bound bends them little
    assert small.sum() > 5
    for index, scale in enumerate(SCALES):
        y = 128 * new.features(x, tf.fill((len(x),), float(index))).numpy() + 0.5
        ratio = (y / y_old)[..., small]
        near = np.abs(ratio - scale) < 0.05 * scale
        finer = np.abs(ratio - FINER * scale) < 0.05 * FINER * scale
        assert (near | finer)[np.abs(y_old[..., small]) > 0.1].mean() > 0.95
        assert near.any()
    large = np.abs(y_old).std(axis=(0, 1, 2)).argmax()
    assert new.features.rate_gains.log_gain[0, large] > np.log(SCALES[0] * 32 / 128) + 0.1


def test_decoded_pictures_stay_what_they_were(models, x):
    old, new = models
    before = np.mean((old(x).x_hat - x) ** 2)
    coarse, fine = (
        np.mean((new(x, tf.fill((len(x),), float(i))).x_hat - x) ** 2) for i in range(2)
    )
    assert fine < 1.1 * before
    assert fine < coarse < 6 * before


def test_gains_are_not_added_twice(models, x):
    _, new = models
    with pytest.raises(ValueError, match="none"):
        add_gains(new, new.config, x, SCALES)
