"""Refinement of symbols on a decoder that is a matrix."""

import numpy as np
import pytest

from deepsic.refine import PLANS, Measures, move_by_one, refine, soft_rounding

SIDE = 12


def test_soft_rounding_lies_between_two_symbols_and_hardens():
    v = np.linspace(-3, 3, 601).astype(np.float32)
    for temperature, hard in ((0.7, 0.35), (0.1, 0.01)):
        low, p, slope = soft_rounding(v, temperature)
        np.testing.assert_array_equal(low, np.floor(v))
        assert ((p >= 0) & (p <= 1)).all()
        off = np.abs(low + p - np.rint(v))[np.abs(v % 1 - 0.5) > 0.2]
        assert off.max() < hard
        inside = np.flatnonzero(np.abs(v % 1 - 0.5) < 0.4)[1:-1]
        numeric = (
            soft_rounding(v + 1e-3, temperature)[1] - soft_rounding(v - 1e-3, temperature)[1]
        ) / 2e-3
        np.testing.assert_allclose(slope[inside], numeric[inside], rtol=0.05, atol=0.02)


@pytest.mark.parametrize("plan", list(PLANS))
def test_refined_symbols_lower_the_cost(plan):
    rng = np.random.default_rng(1)
    c, lambda1 = 16, 0.01
    decoder = rng.normal(0, 30 / np.sqrt(c), (c, c)).astype(np.float32)
    v = rng.normal(0, 1, (SIDE, SIDE, c)).astype(np.float32)
    x = v @ decoder

    def bits(q):
        return 2 * np.abs(q.astype(np.float32))

    def prices(q, candidates, wanted):
        assert q.shape == wanted.shape
        return [bits(each) for each in candidates]

    def cost(q):
        return bits(q).sum() + lambda1 / 3 * np.sum((q @ decoder - x) ** 2)

    refined = refine(
        v,
        lambda q: (q @ decoder - x) @ decoder.T,
        Measures((decoder**2).sum(axis=1), prices, (-3, 4), lambda1),
        PLANS[plan],
    )
    assert (refined.q == np.rint(refined.q)).all()
    assert refined.q.min() >= -3
    assert refined.q.max() <= 4
    q = np.clip(np.rint(v), -3, 4)
    assert cost(refined.q) < cost(q)
    if PLANS[plan].gradients == 1:
        changed = refined.q != q
        assert not refined.bits[~changed].any()
        assert refined.bits.sum() == pytest.approx(bits(refined.q).sum() - bits(q).sum(), rel=1e-3)


def test_a_symbol_moves_where_that_saves_more_than_it_costs():
    q = np.zeros((1, 4, 25), np.float32)
    q[0, :, :2] = 1

    def prices(q, candidates, wanted):
        assert wanted[0, :, :2].all()
        return [3.0 * np.abs(each).astype(np.float32) for each in candidates]

    measures = Measures(np.ones(25, np.float32), prices, (-3, 4), 0.75)
    # The first channel's symbols are too high by a half and more, the second one's too low.
    right = np.zeros((1, 4, 25), np.float32)
    right[0, :, 0], right[0, :, 1] = (0.4, 0.3, 0.2, 0.1), 1.1
    moved = move_by_one(q, lambda q: q - right, measures)
    # Two moves are one symbol in fifty.
    assert moved[0, :, 0].tolist() == [1, 1, 0, 0]
    assert (moved[..., 1:] == q[..., 1:]).all()
