"""The head: maps of any size, its parts, and what has a learning rate of its own."""

import numpy as np
import pytest
import tensorflow as tf

from models.semantics import BasicBlock, SemanticHead
from tests.models.tiny import tiny_config


def features(*shape):
    return tf.constant(np.random.default_rng(1).uniform(-1, 1, shape), tf.float32)


@pytest.fixture(scope="module", params=[0, 2])
def head(request):
    return SemanticHead(tiny_config(classes=7, head_depth=request.param))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 1), (5, 3), (16, 16), (31, 17)])
@pytest.mark.parametrize("training", [False, True])
def test_maps_of_any_size_give_finite_logits(head, size, training):
    logits = head(features(2, *size, 8), training)
    assert logits.shape == (2, 7)
    assert np.isfinite(logits).all()


def test_pictures_of_a_batch_are_judged_one_by_one(head):
    f = features(3, 6, 6, 8)
    together = head(f).numpy()
    apart = np.concatenate([head(f[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(together, apart, atol=1e-5)
    assert np.ptp(together, axis=0).max() > 1e-4


def test_decision_rests_on_the_description(head):
    f = features(2, 5, 5, 8)
    description = head.describe(f)
    assert description.shape == (2, 16)
    np.testing.assert_allclose(head.decide(description), head(f), atol=1e-6)


def test_description_is_a_mean_over_positions(head):
    """Far from its edges, an even map of twice the size has the same description."""
    near = head.describe(tf.fill((1, 64, 64, 8), 0.3)).numpy()
    far = head.describe(tf.fill((1, 256, 256, 8), 0.3)).numpy()
    np.testing.assert_allclose(near, far, rtol=0.3, atol=0.02)


def test_fully_connected_layers_are_two(head):
    head(features(1, 2, 2, 8))
    shapes = [tuple(v.shape) for v in head.fully_connected]
    assert shapes == [(16, 16), (16,), (16, 7), (7,)]


@pytest.mark.parametrize(("strides", "cells"), [((4, 2, 1, 1), 16), ((4, 2, 2, 1), 8)])
def test_blocks_end_at_a_32nd_of_the_picture(strides, cells):
    head = SemanticHead(tiny_config(strides=strides))
    y = features(1, cells, cells, 8)
    for block in head.blocks:
        y = block(y)
    assert y.shape[1:3] == (4, 4)


def test_residual_blocks_begin_as_nothing_and_learn():
    residual = BasicBlock(8, "residual")
    y = tf.abs(features(2, 5, 5, 8))
    with tf.GradientTape() as tape:
        z = residual(y, training=True)
        loss = tf.reduce_sum(z * features(2, 5, 5, 8))
    np.testing.assert_array_equal(z, y)
    assert np.abs(tape.gradient(loss, residual.batch.gamma)).max() > 0
