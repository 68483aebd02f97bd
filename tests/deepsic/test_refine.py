"""Refinement of symbols on a decoder that is a matrix."""

import numpy as np
import pytest

from deepsic.refine import PLANS, refine, soft_rounding, symbol_costs

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


@pytest.fixture
def tables(pre):
    return pre.tables()[0]()


def test_costs_are_those_of_the_histogram(tables):
    costs = symbol_costs(tables)
    assert costs.shape == (tables.channels, tables.levels)
    plain = tables.predicted == 0
    np.testing.assert_allclose((2.0 ** -costs[plain]).sum(axis=1), 1, rtol=1e-4)
    np.testing.assert_array_equal(costs[plain].argmin(axis=1), tables.centre[plain])
    assert (costs[~plain] == 0).all()


@pytest.mark.parametrize("plan", list(PLANS))
def test_refined_symbols_lower_the_cost(tables, plan):
    rng = np.random.default_rng(1)
    c = tables.channels
    decoder = rng.normal(0, 30 / np.sqrt(c), (c, c)).astype(np.float32)
    v = rng.normal(0, 1, (SIDE, SIDE, c)).astype(np.float32)
    x = v @ decoder
    costs, lambda1 = symbol_costs(tables), 0.01

    def cost(q):
        levels = (q - tables.lowest).astype(int)
        bits = np.take_along_axis(costs.T, levels.reshape(-1, c), axis=0).sum()
        return bits + lambda1 / 3 * np.sum((q @ decoder - x) ** 2)

    refined = refine(
        v,
        lambda q: (q @ decoder - x) @ decoder.T,
        (decoder**2).sum(axis=1),
        tables,
        lambda1,
        PLANS[plan],
    )
    assert np.abs(refined - v).max() <= 1
    assert cost(np.rint(refined)) < cost(np.rint(v))
