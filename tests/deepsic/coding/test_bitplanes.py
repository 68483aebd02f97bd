"""Binary trees over levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsic.coding.bitplanes import (
    Trees,
    build_trees,
    clip_trees,
    ranks,
    residuals,
    walk,
)

LEVELS = 64
RANKS, RESIDUALS = ranks(LEVELS), residuals(LEVELS)

counts = st.lists(st.integers(0, 10**6), min_size=LEVELS, max_size=LEVELS).filter(any)


def descend(trees, root, child, rank):
    node, asked = int(root), 0
    while node >= 0:
        node = int(child[node, int(rank > trees.threshold[0, node])])
        asked += 1
    return -1 - node, asked


def test_ranks_put_zero_first_then_the_negative_residuals():
    assert list(RESIDUALS) == [0, *range(-32, 0), *range(1, 32)]
    for residual in range(-32, 32):
        assert RESIDUALS[RANKS[residual % LEVELS]] == residual


@given(counts)
def test_every_rank_is_found(histogram):
    trees = build_trees(np.array([histogram]))
    for rank in range(LEVELS):
        assert descend(trees, 0, trees.child[0], rank)[0] == rank


@given(counts, st.integers(0, 32), st.integers(0, 31))
def test_a_range_leaves_out_questions_but_no_residual(histogram, below, above):
    trees = build_trees(np.array([histogram]))
    root, child = clip_trees(trees, np.array([below]), np.array([above]))
    for residual in range(-below, above + 1):
        rank = RANKS[residual % LEVELS]
        found, asked = descend(trees, root[0], child[0], rank)
        assert found == rank
        assert asked <= min(below + above, descend(trees, 0, trees.child[0], rank)[1])


def test_a_constant_channel_is_asked_nothing():
    trees = build_trees(np.ones((1, LEVELS), int))
    root, _ = clip_trees(trees, np.array([0]), np.array([0]))
    assert root[0] == -1


def test_a_zero_takes_one_question_and_a_one_beside_few_others_three():
    peaked = np.maximum(1, 10**6 / 8.0 ** np.abs(RESIDUALS)).astype(int)
    trees = build_trees(peaked[None])
    questions = [descend(trees, 0, trees.child[0], RANKS[r])[1] for r in (0, 1, -1)]
    assert questions == [1, 3, 3]


def test_even_residuals_take_seven_planes():
    assert build_trees(np.full((1, LEVELS), 1000)).planes == 7


@given(counts)
def test_trees_are_rebuilt_from_their_links(histogram):
    trees = build_trees(np.array([histogram, histogram[::-1]]))
    again = Trees.from_links(trees.threshold, trees.child)
    for name in ("threshold", "child", "plane", "low", "high"):
        np.testing.assert_array_equal(getattr(trees, name), getattr(again, name))


def test_damaged_links_are_refused():
    trees = build_trees(np.ones((1, LEVELS), int))
    rng = np.random.default_rng(0)
    for _ in range(200):
        child = trees.child.copy()
        at = tuple(rng.integers(0, n) for n in child.shape)
        child[at] = rng.integers(-100, 100)
        if child[at] == trees.child[at]:
            continue
        with pytest.raises(ValueError, match="tree"):
            Trees.from_links(trees.threshold, child)


def test_walks_follow_the_trees():
    trees = build_trees(np.random.default_rng(1).integers(0, 99, (2, LEVELS)))
    paths = walk(trees)
    for c in range(2):
        for rank in (0, 31, 63):
            node = 0
            for plane in range(trees.planes):
                if node < 0:
                    assert paths.node[c, rank, plane] == -1
                    continue
                assert paths.node[c, rank, plane] == node
                node = trees.child[c, node, paths.bit[c, rank, plane]]
            assert node == -1 - rank
