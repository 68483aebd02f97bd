"""Coding tables and symbols small enough for tests."""

import numpy as np
import pytest

from deepsic.coding.symbols import SymbolCoder
from training.context.fit import to_integers
from training.context.network import ContextNetwork
from training.context.statistics import measure

CHANNELS = 5


def make_symbols(h, w, seed=0):
    """Symbols like a codec's: one smooth predicted channel, sparse ones, a constant one."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w]
    smooth = 12 * np.sin(0.3 * x + seed) + 10 * np.cos(0.2 * y) + rng.normal(0, 1, (h, w))
    energy = 0.3 + (np.sin(0.5 * x) > 0)
    sparse = [rng.laplace(0, s * energy) for s in (2.0, 0.7, 0.3)]
    q = np.stack([smooth, *sparse, np.zeros((h, w))], axis=-1)
    return np.clip(np.rint(q), -31, 32).astype(np.int8)


@pytest.fixture(scope="session", params=[1, 3], ids=["one turn", "three turns"])
def tables(request):
    maps = np.stack([make_symbols(32, 32, seed) for seed in range(8)])
    statistics = measure(maps.astype(np.int32) + 31, 64)
    network = ContextNetwork(statistics, hidden=8, seed=1, turns=request.param)
    return to_integers(network, statistics)


@pytest.fixture(scope="session")
def coder(tables):
    return SymbolCoder(tables)
