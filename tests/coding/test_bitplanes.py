"""Binary trees over levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.coding.bitplanes import LEVELS, Trees, build_trees, clip_trees, walk

counts = st.lists(st.integers(0, 10**6), min_size=LEVELS, max_size=LEVELS).filter(any)


def descend(trees, root, child, level):
    node, asked = int(root), 0
    while node >= 0:
        node = int(child[node, int(level > trees.threshold[0, node])])
        asked += 1
    return -1 - node, asked


@given(counts)
def test_every_level_is_found(histogram):
    trees = build_trees(np.array([histogram]))
    for level in range(LEVELS):
        assert descend(trees, 0, trees.child[0], level)[0] == level


@given(counts, st.integers(0, 63), st.integers(0, 63))
def test_a_range_leaves_out_questions_but_no_level(histogram, a, b):
    low, high = min(a, b), max(a, b)
    trees = build_trees(np.array([histogram]))
    root, child = clip_trees(trees, np.array([low]), np.array([high]))
    for level in range(low, high + 1):
        found, asked = descend(trees, root[0], child[0], level)
        assert found == level
        assert asked <= min(high - low, descend(trees, 0, trees.child[0], level)[1])


def test_a_constant_channel_is_asked_nothing():
    trees = build_trees(np.ones((1, LEVELS), int))
    root, _ = clip_trees(trees, np.array([7]), np.array([7]))
    assert root[0] == -1 - 7


def test_even_levels_take_six_planes_and_a_frequent_one_two():
    flat = build_trees(np.full((1, LEVELS), 1000))
    assert flat.planes == 6
    peaked = np.maximum(1, 10**6 / 8.0 ** np.abs(np.arange(LEVELS) - 32)).astype(int)
    assert descend(build_trees(peaked[None]), 0, build_trees(peaked[None]).child[0], 32)[1] == 2


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
    paths = walk(trees, 3)
    for c in range(2):
        for level in (0, 31, 63):
            node = 0
            for plane in range(trees.planes):
                if node < 0:
                    assert paths.node[c, level, plane] == -1
                    continue
                assert paths.node[c, level, plane] == node
                node = trees.child[c, node, paths.bit[c, level, plane]]
            assert node == -1 - level
