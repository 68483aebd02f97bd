"""What the classifier says that symbols cost."""

import numpy as np
import pytest

from deepsic.coding.prices import MOST_BITS, Pricer
from tests.deepsic.coding.conftest import make_symbols


@pytest.fixture
def q():
    return make_symbols(24, 30, seed=5)


def test_prices_of_symbols_add_up_to_their_payload(coder, q):
    (bits,) = Pricer(coder).prices(q, [q], np.ones(q.shape, bool))
    assert bits.shape == q.shape
    assert (bits > 0).all()
    assert bits.sum() == pytest.approx(8 * len(coder.encode(q)), abs=64, rel=1e-3)


def test_symbols_that_are_not_wanted_are_priced_as_zeros_or_others(coder, q):
    pricer, everywhere = Pricer(coder), np.ones(q.shape, bool)
    (whole,) = pricer.prices(q, [q], everywhere)
    (part,) = pricer.prices(q, [q], ~everywhere)
    assert (part <= whole).all()
    assert (part < whole).any()
    some = np.random.default_rng(1).random(q.shape) < 0.5
    (mixed,) = pricer.prices(q, [q], some)
    np.testing.assert_array_equal(mixed, np.where(some, whole, part))


def test_a_candidate_costs_about_what_the_payload_grows_by(coder, q):
    pricer = Pricer(coder)
    up = np.minimum(q + 1, 32).astype(q.dtype)
    now, then = pricer.prices(q, [q, up], np.ones(q.shape, bool))
    rng, size = np.random.default_rng(2), len(coder.encode(q))
    expected, found = [], []
    # Of the last pass, so that no context changes but those of the position itself.
    dear = (then > MOST_BITS) | (np.arange(len(q)) % 2 == 0)[:, None, None]
    for _ in range(40):
        at = (rng.random(q.shape) < 0.02) & ~dear & (up > q)
        changed = np.where(at, up, q)
        expected.append(float((then - now)[at].sum()))
        found.append(8 * (len(coder.encode(changed)) - size))
    assert np.corrcoef(expected, found)[0, 1] > 0.8
