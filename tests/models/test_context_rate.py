"""The context-aware rate term: what each density may see, and that it is a density."""

import numpy as np
import pytest
import tensorflow as tf

from deepsic.coding.interlace import PASSES
from models.context_rate import ContextRate

LATENTS, SIDE = 5, 12


@pytest.fixture(scope="module")
def rate():
    """A layer whose weights are all other than zero."""
    tf.keras.utils.set_random_seed(3)
    layer = ContextRate(LATENTS, rates=2)
    layer(tf.zeros((1, SIDE, SIDE, LATENTS)), tf.zeros(1))
    layer.start(np.full((2, LATENTS), 2.0))
    rng = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign_add(rng.normal(0, 0.1, variable.shape))
    return layer


def symbols(seed=0, count=1):
    rng = np.random.default_rng(seed)
    return np.rint(rng.normal(0, 2, (count, SIDE, SIDE, LATENTS))).astype(np.float32) - 0.5


def bits(layer, y, index=0.5):
    """Bits of every symbol, (N, SIDE, SIDE, LATENTS)."""
    out = np.full(y.shape, np.nan, np.float32)
    found = layer.bits_per_symbol(tf.constant(y), tf.fill((len(y),), index))
    for p, part in zip(PASSES, found, strict=True):
        p.of(out)[...] = part
    assert np.isfinite(out).all()
    return out


def order():
    """The number of the pass in which each position is coded."""
    number = np.zeros((SIDE, SIDE, 1), int)
    for n, p in enumerate(PASSES):
        p.of(number)[...] = n
    return number[..., 0]


@pytest.mark.parametrize("at", [(0, 0), (4, 8), (2, 5), (7, 3)])
@pytest.mark.parametrize("channel", [0, 2, 4])
def test_a_symbol_tells_nothing_to_what_is_coded_before_it(rate, at, channel):
    y = symbols()
    changed = y.copy()
    changed[0, at[0], at[1], channel] += 3
    different = bits(rate, y)[0] != bits(rate, changed)[0]
    number = order()
    earlier = (number <= number[at]) & ~np.eye(1, SIDE * SIDE, at[0] * SIDE + at[1], bool).reshape(
        SIDE, SIDE
    )
    assert not different[earlier].any()
    assert not different[at][:channel].any()
    assert different[at][channel:].all()


def test_later_passes_use_their_neighbours(rate):
    y = symbols()
    changed = y.copy()
    changed[0, 0, 0] += 3
    different = (bits(rate, y)[0] != bits(rate, changed)[0]).any(axis=-1)
    number = order()
    assert all(different[number == n].any() for n in range(1, len(PASSES)))


def test_probabilities_of_all_values_add_up_to_one(rate):
    values = np.arange(-200, 201, dtype=np.float32) - 0.5
    y = np.repeat(symbols(), len(values), axis=0)
    y[:, 6, 5, 3] = values
    p = 2.0 ** -bits(rate, y)[:, 6, 5, 3]
    # Each has a floor of 2**-20 besides.
    assert p.sum() == pytest.approx(1 + len(values) * 2**-20, abs=2e-4)


def test_bits_of_an_example_are_the_sum_over_its_symbols(rate):
    y = symbols(count=3)
    total = rate(tf.constant(y), tf.fill((3,), 0.5))
    np.testing.assert_allclose(total, bits(rate, y).sum(axis=(1, 2, 3)), rtol=1e-5)
    alone = rate(tf.constant(y[1:2]), tf.fill((1,), 0.5))
    np.testing.assert_allclose(alone, total[1:2], rtol=1e-5)


def test_rates_have_densities_of_their_own(rate):
    y = symbols()
    # But for those that the floor holds up.
    assert (bits(rate, y, 0.0) != bits(rate, y, 1.0)).mean() > 0.9


def test_neighbours_make_a_smooth_channel_cheaper():
    tf.keras.utils.set_random_seed(1)
    layer = ContextRate(1)
    flat = tf.fill((1, SIDE, SIDE, 1), 19.5)
    layer(flat)
    layer.start(np.full((1, 1), 3.0))
    # Its neighbours' mean, whole, instead of half of it.
    for weights in layer.predictor.values():
        weights.assign(2 * weights)
    inside = layer.bits_per_symbol(flat)[-1].numpy()[0, 2:-2, 2:-2]
    alone = layer.bits_per_symbol(flat)[0].numpy()
    assert inside.max() < 4 < alone.min()
