"""Tiles with a margin leave no seams."""

import numpy as np
import pytest
import tensorflow as tf

from deepsic.tiling import tiled
from deepsic.transforms import get_margin
from models.features import FeatureExtractor
from models.reconstruction import Reconstruction
from tests.models.tiny import tiny_config
from tools.robustness.small_pictures import photograph

TILE = 12
ROWS, COLUMNS = 41, 33
SHAPES = [
    ((4, 2, 1, 1), (7, 5, 3, 3)),
    ((4, 2, 2, 1), (7, 5, 3, 3)),
    ((2, 2, 1, 1), (7, 5, 3, 3)),
    ((4, 2, 1, 1), (15, 15, 15, 15)),
    ((1, 1, 1, 1), (3, 5, 3, 3)),
]


def call(network):
    return lambda piece: network(tf.constant(piece, tf.float32)).numpy()


def extract(extractor, x, stride, margin):
    return tiled(
        call(extractor),
        x,
        step_in=stride,
        step_out=1,
        tile=TILE,
        margin=margin,
        out=np.full((ROWS, COLUMNS, 8), np.nan, np.float32),
    )


def rebuild(reconstruction, f, stride, margin):
    return tiled(
        call(reconstruction),
        f,
        step_in=1,
        step_out=stride,
        tile=TILE,
        margin=margin,
        out=np.full((ROWS * stride, COLUMNS * stride, 3), np.nan, np.float32),
    )


@pytest.mark.parametrize("normalisation", ["batch", "gdn"])
@pytest.mark.parametrize(("strides", "kernels"), SHAPES)
def test_tiled_networks_equal_whole_ones(strides, kernels, normalisation):
    config = tiny_config(strides=strides, kernels=kernels, normalisation=normalisation)
    margin = get_margin(config)
    assert TILE + margin < COLUMNS  # or nothing would be cut off
    x = photograph(1, ROWS * config.stride, COLUMNS * config.stride)
    extractor, reconstruction = FeatureExtractor(config), Reconstruction(config)
    whole = call(extractor)(x[None])[0]
    assert np.ptp(whole) > 0.01
    np.testing.assert_allclose(extract(extractor, x, config.stride, margin), whole, atol=1e-4)
    x_hat = call(reconstruction)(whole[None])[0]
    tiles = rebuild(reconstruction, whole, config.stride, margin)
    np.testing.assert_allclose(tiles, x_hat, atol=1e-2 / 255 * np.ptp(x_hat) + 1e-4)


def test_tiles_without_a_margin_have_seams():
    config = tiny_config()
    extractor = FeatureExtractor(config)
    x = photograph(1, ROWS * 8, COLUMNS * 8)
    whole = call(extractor)(x[None])[0]
    assert np.abs(extract(extractor, x, 8, 0) - whole).max() > 1e-3


@pytest.mark.parametrize("tile", [1, 4, 13, 100])
def test_every_cell_is_filled_once(tile):
    seen = []

    def network(piece):
        seen.append(piece.shape[1:3])
        return piece[:, ::2, ::2] * 3

    x = np.arange(20 * 14 * 1).reshape(20, 14, 1)
    out = np.full((10, 7, 1), -1)
    result = tiled(network, x, step_in=2, step_out=1, tile=tile, margin=1, out=out)
    assert result is out
    np.testing.assert_array_equal(out, x[::2, ::2] * 3)
    assert len(seen) == -(-10 // tile) * -(-7 // tile)
    assert max(max(s) for s in seen) <= 2 * (tile + 2)


def test_blocks_of_either_network_widen_the_margin():
    plain = get_margin(tiny_config())
    for blocks, decoder_blocks in ((3, 0), (1, 3)):
        assert get_margin(tiny_config(blocks=blocks, decoder_blocks=decoder_blocks)) == plain + 6
