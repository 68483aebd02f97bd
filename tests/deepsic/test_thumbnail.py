"""Small pictures out of features: the sums of a convolution, averaged, in tiles without seams."""

import types

import numpy as np
import pytest
import tensorflow as tf

from data.samples import sample_images
from deepsic import head, store, thumbnail
from deepsic.codec import Codec
from deepsic.config import ModelConfig
from deepsic.pretrained import middle
from deepsic.thumbnail import LinearMap, choose_pixels

STRIDE, LATENTS = 8, 5


@pytest.fixture(scope="module", params=[3, 5])
def mapping(request):
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 9, (request.param, request.param, LATENTS, 3 * STRIDE**2)).astype(
        np.float32
    )
    bias = rng.uniform(100, 150, 3 * STRIDE**2).astype(np.float32)
    return LinearMap(kernel, bias, STRIDE)


@pytest.fixture(scope="module")
def f():
    return np.random.default_rng(1).uniform(-1, 1, (41, 37, LATENTS)).astype(np.float32)


def whole(mapping, f):
    """The convolution and `depth_to_space` of TensorFlow."""
    y = tf.nn.conv2d(f[None], mapping.kernel, 1, "SAME") + mapping.bias
    return tf.nn.depth_to_space(y, STRIDE)[0].numpy()


@pytest.mark.parametrize("pixels", [1, 2, 4, 8])
def test_it_is_the_convolution_averaged(mapping, f, pixels):
    p = STRIDE // pixels
    full = whole(mapping, f)
    mean = full.reshape(41 * pixels, p, 37 * pixels, p, 3).mean((1, 3))
    np.testing.assert_allclose(mapping.apply(f[None], pixels)[0], mean, atol=1e-2)
    small = thumbnail.thumbnail(mapping, f, pixels)
    assert np.abs(small.astype(float) - np.clip(np.rint(mean), 0, 255)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 3)])
def test_a_picture_may_be_smaller_than_the_kernel(mapping, f, size):
    piece = f[: size[0], : size[1]]
    np.testing.assert_allclose(mapping.apply(piece[None], 8)[0], whole(mapping, piece), atol=1e-2)


@pytest.mark.parametrize("pixels", [1, 8])
def test_tiles_leave_no_seams(mapping, f, pixels, monkeypatch):
    expected = thumbnail.thumbnail(mapping, f, pixels)
    monkeypatch.setattr(thumbnail, "_TILE_BYTES", 1)
    found = thumbnail.thumbnail(mapping, f, pixels)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found == expected).mean() > 0.999


def test_symbols_are_prepared_a_piece_at_a_time(mapping, f, monkeypatch):
    monkeypatch.setattr(thumbnail, "_TILE_BYTES", 1)
    seen = []

    def prepare(piece):
        seen.append(piece.shape)
        return piece.astype(np.float32) / 100

    q = np.rint(100 * f).astype(np.int8)
    found = thumbnail.thumbnail(mapping, q, 2, prepare)
    expected = thumbnail.thumbnail(mapping, q.astype(np.float32) / 100, 2)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert max(s[1] * s[2] for s in seen) <= 20 * 20


@pytest.mark.parametrize(
    ("size", "stride", "pixels"),
    [
        ((128, 128), 8, 8),
        ((399, 800), 8, 8),
        ((400, 800), 8, 4),
        ((800, 5000), 8, 2),
        ((6000, 9000), 8, 1),
        ((512, 768), 16, 8),
        ((3200, 3200), 16, 1),
    ],
)
def test_a_thumbnail_is_as_small_as_may_be(size, stride, pixels):
    assert choose_pixels(*size, stride) == pixels


def test_maps_that_cannot_be_are_refused(mapping):
    with pytest.raises(ValueError, match="kernel"):
        LinearMap(mapping.kernel[:2], mapping.bias, STRIDE)
    with pytest.raises(ValueError, match="bias"):
        LinearMap(mapping.kernel, mapping.bias[:-1], STRIDE)
    with pytest.raises(ValueError, match="finite"):
        LinearMap(mapping.kernel * np.nan, mapping.bias, STRIDE)


def test_of_long_pictures_the_middle_is_taken():
    x = np.arange(10 * 100).reshape(10, 100, 1)
    assert middle(x, 2).shape == (10, 20, 1)
    assert middle(x, 2)[0, 0] == 40
    assert middle(x.transpose(1, 0, 2), 2).shape == (20, 10, 1)
    assert middle(x, 10).shape == x.shape


def test_tiles_look_as_far_as_the_decoders_first_stages(monkeypatch):
    """Two stages of 3×3, of which each sees one cell, and blocks of the decoder, which see two."""
    config = ModelConfig(head="pretrained", head_input="decoder", blocks=1, decoder_blocks=3)
    made = head.Head(types.SimpleNamespace(config=config), None)
    monkeypatch.setitem(vars(made), "_pretrained", types.SimpleNamespace(mapping=None))
    reaches = []
    monkeypatch.setattr(head, "thumbnail", lambda *args: reaches.append(args[-1]))
    made._thumbnail(np.zeros((4, 4, 128)), 8, lambda piece: piece)
    assert reaches == [2 + 2 * 3]


@pytest.mark.parametrize(("rate", "same"), [("0.12bpp", True), ("0.5bpp", False)])
def test_coarse_features_are_shown_by_the_map_of_pre(rate, same):
    x = sample_images()["chelsea"]
    codecs = [Codec(store.find(f"{arch}-{rate}")) for arch in ("pre", "post")]
    q = codecs[0].symbols(codecs[0].features(x))
    pre, post = (codec.thumbnail(q, *x.shape[:2], 100) for codec in codecs)
    assert (pre == post).all() == same
    assert np.abs(pre.astype(int) - post).mean() < 8
