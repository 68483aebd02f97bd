"""Quantisers of other numbers of bits than the paper's six."""

import numpy as np
import pytest

from deepsic.coding.bitplanes import ranks, residuals
from deepsic.coding.symbols import SymbolCoder
from deepsic.coding.tables import Tables, reaches
from deepsic.untrusted import load_arrays
from training.context.fit import to_integers
from training.context.network import ContextNetwork
from training.context.statistics import measure

BITS = [2, 3, 5, 7, 8]


def symbols(bits, side, seed):
    """A smooth channel that uses all levels, a sparse one, and one that is constant."""
    rng = np.random.default_rng(seed)
    half = 1 << bits - 1
    y, x = np.mgrid[:side, :side]
    smooth = half * np.sin(0.2 * x + seed) + half / 8 * np.cos(0.1 * y) + rng.normal(0, 1, x.shape)
    maps = np.stack([smooth, rng.laplace(0, half / 16, x.shape), np.zeros(x.shape)], axis=-1)
    return np.clip(np.rint(maps), 1 - half, half).astype(np.int16)


@pytest.fixture(scope="module", params=BITS)
def coder(request):
    bits = request.param
    levels = np.stack([symbols(bits, 32, s) for s in range(4)]).astype(np.int32)
    statistics = measure(levels + (1 << bits - 1) - 1, 1 << bits)
    network = ContextNetwork(statistics, hidden=8, seed=1)
    return SymbolCoder(to_integers(network, statistics))


def test_symbols_of_any_number_of_bits_come_back(coder):
    bits = coder.tables.levels.bit_length() - 1
    for side in (3, 40):
        q = symbols(bits, side, seed=9)
        found = coder.decode(coder.encode(q), side, side)
        assert (found == q).all()
        assert found.dtype == (np.int16 if bits == 8 else np.int8)


def test_symbols_unlike_any_in_training_come_back(coder):
    low, high = coder.lowest, coder.lowest + coder.tables.levels - 1
    q = np.random.default_rng(0).integers(low, high + 1, (40, 40, 3))
    assert (coder.decode(coder.encode(q), 40, 40) == q).all()
    for extreme in (low, high):
        q = np.full((33, 33, 3), extreme)
        assert (coder.decode(coder.encode(q), 33, 33) == q).all()


def test_tables_keep_their_number_of_levels_in_a_file(coder):
    again = Tables.from_arrays(load_arrays(coder.tables.to_bytes(), "tables"))
    assert again.levels == coder.tables.levels
    assert again.lowest == 1 - again.levels // 2


@pytest.mark.parametrize("bits", BITS)
def test_ranks_and_reaches_cover_all_residuals(bits):
    levels = 1 << bits
    assert sorted(residuals(levels)) == list(range(-levels // 2, levels // 2))
    assert (residuals(levels)[ranks(levels)] % levels == np.arange(levels)).all()
    assert reaches(levels)[0] == 0
    assert reaches(levels)[-1] == levels // 2
