"""Channels that carry nothing are cut without a change to the picture."""

import numpy as np
import pytest
import tensorflow as tf

from deepsic.config import ModelConfig
from models.deepsic import DeepSIC
from training.prune import live_channels, prune, usual_symbols


@pytest.mark.parametrize(("latents", "skip_gain"), [(8, 0.5), (12, 1.0)])
@pytest.mark.parametrize("arch", ["pre", "post"])
def test_a_pruned_model_does_what_the_whole_one_did(latents, skip_gain, arch):
    tf.keras.utils.set_random_seed(3)
    config = ModelConfig(
        arch=arch,
        filters=8,
        latents=latents,
        normalisation="gdn",
        skip_gain=skip_gain,
        classes=4,
        head_width=8,
    )
    model = DeepSIC(config)
    model.create_variables()
    conv = model.features.convs[-1]
    dead = np.array([1, 4, 6])
    alive = np.ones(latents)
    alive[dead] = 0
    conv.kernel.assign(conv.kernel * alive)
    conv.bias.assign((1 - alive) * np.linspace(-0.2, 0.2, latents))
    x = tf.random.stateless_uniform((1, 128, 128, 3), (1, 2)) * 255
    maps = model.symbols(model.features(x)).numpy().astype(np.int8)
    keep = live_channels(maps)
    assert set(keep) == set(range(latents)) - set(dead)
    pruned = prune(model, keep, usual_symbols(maps))
    before, after = model(x), pruned(x)
    inside = np.s_[:, 40:-40, 40:-40]  # an edge feature sees fewer constants
    np.testing.assert_allclose(before.x_hat[inside], after.x_hat[inside], atol=2e-3)
    assert pruned.config.latents == len(keep)
    assert (maps[..., keep] == pruned.symbols(pruned.features(x)).numpy()).all()


def test_a_model_that_carries_nothing_keeps_one_channel():
    assert len(live_channels(np.zeros((1, 4, 4, 5), np.int8))) == 1
