"""The pretrained networks are what their packages say."""

import numpy as np
import pytest
import tensorflow as tf

from data.samples import sample_images
from models import efficientnet
from models.efficientnet import LITE0, LITE1, LITE2, EfficientNet


def test_a_folded_convolution_is_convolution_and_normalisation():
    rng = np.random.default_rng(0)
    tensors = {
        "c.weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        **{f"b.{n}": rng.uniform(0.5, 2, 4).astype(np.float32) for n in ("weight", "running_var")},
        **{f"b.{n}": rng.normal(size=4).astype(np.float32) for n in ("bias", "running_mean")},
    }
    x = rng.normal(size=(1, 8, 8, 3)).astype(np.float32)
    plain = tf.nn.conv2d(x, tensors["c.weight"].transpose(2, 3, 1, 0), 1, "SAME")
    gain = tensors["b.weight"] / np.sqrt(tensors["b.running_var"] + 1e-3)
    expected = (plain - tensors["b.running_mean"]) * gain + tensors["b.bias"]
    kernel, bias = efficientnet.fold(tensors, "c", "b")
    found = tf.nn.conv2d(x, kernel, 1, "SAME") + bias
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("variant", [LITE0, LITE1, LITE2], ids=lambda v: v.name)
def test_every_variant_knows_a_cat(variant):
    network = EfficientNet(variant.weights())
    x = tf.image.resize(sample_images()["chelsea"][None, :, 75:375], (variant.side, variant.side))
    best = np.argsort(-network(x)[0].numpy())[:3]
    assert set(best) & {281, 282, 285}  # tabby, tiger cat, Egyptian cat


def test_other_weights_are_refused():
    weights = {"block0/project/kernel": np.zeros((1, 1, 8, 8), np.float32)}
    with pytest.raises(ValueError, match="1 blocks"):
        EfficientNet(weights)
