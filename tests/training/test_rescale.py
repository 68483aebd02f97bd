"""Scaled features, and all that reads them: the same pictures, densities and labels."""

import numpy as np
import pytest
import tensorflow as tf

from models.deepsic import DeepSIC
from tests.models.densities import prob
from tests.models.tiny import tiny_config
from training.rescale import rescale

FACTOR = 0.4
MIDDLE = -0.5 / 32
PICTURES = tf.random.stateless_uniform((2, 128, 128, 3), (1, 2)) * 255


def random_model(**changes):
    """A model none of whose variables is what an initialiser gives, with small features."""
    tf.keras.utils.set_random_seed(7)
    model = DeepSIC(tiny_config(skip_gain=0.5, **changes))
    model.create_variables()
    rng = np.random.default_rng(7)
    for variable in (*model.trainable_variables, *model.non_trainable_variables):
        if variable.dtype == tf.float32 and "gdn" not in variable.name.lower():
            variable.assign(variable + rng.uniform(0, 0.1, variable.shape).astype(np.float32))
    # Small enough for the bound to be as good as straight.
    norm, conv = model.features.norms[-1], model.features.convs[-1]
    last = (norm.gamma, norm.beta) if norm else (conv.kernel, conv.bias)
    variables = (*last, model.features.centre.median)
    for largest in (0.001, 0.15):  # the first leaves the bound's bend
        small = largest / np.max(np.abs(model.features(PICTURES)))
        for variable in variables:
            variable.assign(small * variable)
    return model


FORMS = [
    {"normalisation": "gdn"},
    {"normalisation": "gdn", "latents": 12},
    {"normalisation": "batch"},
    {"normalisation": "gdn", "arch": "post"},
]


@pytest.mark.parametrize("form", FORMS)
def test_only_the_features_change(form):
    model = random_model(**form)
    f = model.features(PICTURES)
    x_hat, logits = model.reconstruction(f), model.semantics(f)
    y = tf.random.stateless_normal((40, 1, 1, f.shape[-1]), (3, 4)) * 3.0
    density = prob(model.prior.density, y)
    rescale(model, FACTOR)
    scaled = FACTOR * (f - MIDDLE) + MIDDLE
    assert tf.math.reduce_std(f) > 0.01
    np.testing.assert_allclose(model.features(PICTURES), scaled, atol=2e-4)
    inside = np.s_[:, 40:-40, 40:-40]  # padding is zero, not the middle of a bin
    near = {"rtol": 1e-3, "atol": 1e-5 * np.abs(x_hat).max()}
    np.testing.assert_allclose(model.reconstruction(scaled)[inside], x_hat[inside], **near)
    np.testing.assert_allclose(model.semantics(scaled), logits, rtol=1e-3, atol=1e-3)
    moved = FACTOR * (y + 0.5) - 0.5
    np.testing.assert_allclose(
        FACTOR * prob(model.prior.density, moved), density, rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize(
    ("factor", "form", "words"),
    [
        (0.0, {}, "more than 0"),
        (-1.0, {}, "more than 0"),
        (0.5, {"strides": (4, 1, 1, 2)}, "stride"),
        (0.5, {"head": "pretrained", "classes": 1000}, "pretrained"),
    ],
)
def test_what_cannot_be_scaled_is_told(factor, form, words):
    with pytest.raises(ValueError, match=words):
        rescale(random_model(**form), factor)
