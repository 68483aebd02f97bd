"""The classifier's integers."""

import numpy as np
import pytest
import tensorflow as tf

from deepsic.coding.classifier import probability_counts
from deepsic.coding.interlace import PASSES
from deepsic.coding.rangecoder import PRECISION
from deepsic.coding.symbols import SymbolCoder
from deepsic.coding.tables import LOGIT_BITS, PROBABILITIES
from tests.deepsic.coding.conftest import make_symbols
from training.context.fit import fit, to_integers
from training.context.network import ContextNetwork
from training.context.statistics import measure


def test_probabilities_do_not_depend_on_the_machines_exponential():
    logits = (np.arange(PROBABILITIES) - PROBABILITIES / 2 + 0.5) / (1 << LOGIT_BITS)
    exact = (1 << PRECISION) / (1 + np.exp(-logits))
    assert (np.abs(exact % 1 - 0.5) > 1e-6).all()
    assert (probability_counts().sum(axis=1) == 1 << PRECISION).all()
    assert (probability_counts() > 0).all()


def test_training_lowers_the_cost_and_integers_keep_it():
    maps = np.stack([make_symbols(32, 32, seed) for seed in range(24)])
    test = make_symbols(64, 64, seed=99)
    before = len(SymbolCoder(fit(maps, lowest=-31, hidden=8, steps=0)).encode(test))
    after = len(SymbolCoder(fit(maps, lowest=-31, hidden=8, steps=100)).encode(test))
    assert after < 0.97 * before


def test_turns_save_where_channels_are_zero_together():
    def together(seed):
        q = make_symbols(32, 32, seed)
        q[..., 2:4] = np.where(q[..., 1:2] != 0, np.maximum(1, np.abs(q[..., 2:4])), 0)
        return q

    maps, test = np.stack([together(seed) for seed in range(8)]), together(99)
    one, four = (
        SymbolCoder(fit(maps, lowest=-31, hidden=8, steps=200, turns=turns)) for turns in (1, 4)
    )
    assert len(four.encode(test)) < 0.95 * len(one.encode(test))
    assert (four.decode(four.encode(test), 32, 32) == test).all()


@pytest.mark.parametrize("turns", [1, 3])
def test_integers_cost_what_floats_promise(turns):
    maps = np.stack([make_symbols(32, 32, seed) for seed in range(8)])
    levels = maps.astype(np.int32) + 31
    statistics = measure(levels, 64)
    network = ContextNetwork(statistics, hidden=8, seed=1, turns=turns)
    coder = SymbolCoder(to_integers(network, statistics))
    ranks, remainders = statistics.ranks(levels[:1])
    values = (levels[:1] - statistics.centre).astype(np.float32)
    promised = float(network.loss(tf.constant(values), ranks, remainders)) * 32 * 32 / 8
    # Ranges are coded beside the symbols, and leave some questions out.
    assert abs(len(coder.encode(maps[0])) - promised) < 0.02 * promised + 8


def test_passes_are_numbered_as_the_tables_are(tables):
    assert len(tables.spatial) == len(PASSES) == len(tables.predictor)
