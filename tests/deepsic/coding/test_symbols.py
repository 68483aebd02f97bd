"""Symbols through the whole entropy coder."""

import dataclasses

import numpy as np
import pytest

from deepsic import folders
from deepsic.coding.symbols import SymbolCoder
from deepsic.coding.tables import InexactTables, Tables
from deepsic.errors import CorruptFile
from tests.deepsic.coding.conftest import CHANNELS, make_symbols


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 5), (8, 8), (17, 30), (40, 33)])
def test_symbols_come_back(coder, size):
    q = make_symbols(*size, seed=5)
    assert (coder.decode(coder.encode(q), *size) == q).all()


def test_symbols_unlike_any_in_training_come_back(coder):
    rng = np.random.default_rng(0)
    for size in [(9, 9), (40, 40)]:
        q = rng.integers(-31, 33, (*size, CHANNELS)).astype(np.int8)
        assert (coder.decode(coder.encode(q), *size) == q).all()
    for extreme in (-31, 32):
        q = np.full((33, 33, CHANNELS), extreme, np.int8)
        assert (coder.decode(coder.encode(q), 33, 33) == q).all()


def test_likely_symbols_take_less_than_their_histogram(coder):
    q = make_symbols(64, 64, seed=9)
    bits = 0.0
    for c in range(CHANNELS):
        share = np.unique(q[..., c], return_counts=True)[1] / q[..., c].size
        bits -= q[..., c].size * (share * np.log2(share)).sum()
    # The smooth channel's prediction alone saves much.
    assert 8 * len(coder.encode(q)) < 0.9 * bits


def test_damaged_payloads_raise_or_decode_to_symbols(coder):
    q = make_symbols(33, 33, seed=3)
    payload = coder.encode(q)
    rng = np.random.default_rng(0)
    for _ in range(30):
        damaged = bytearray(payload)
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        assert_refused_or_decoded(coder, bytes(damaged))
    for prefix in (b"", payload[:3], payload[: len(payload) // 2]):
        assert_refused_or_decoded(coder, prefix)
    with pytest.raises(CorruptFile):
        coder.decode(payload + rng.bytes(8), 33, 33)


def assert_refused_or_decoded(coder, payload):
    try:
        found = coder.decode(payload, 33, 33)
    except CorruptFile:
        return
    assert found.shape == (33, 33, CHANNELS)
    assert found.min() >= -31
    assert found.max() <= 32


def test_tables_survive_their_file(tables):
    again = Tables.from_arrays(folders.load_arrays(tables.to_bytes(), "tables"))
    q = make_symbols(20, 20, seed=4)
    assert SymbolCoder(again).encode(q) == SymbolCoder(tables).encode(q)


@pytest.mark.parametrize("name", ["inner", "outer", "spatial", "turn_inner"])
def test_tables_that_could_round_are_refused(tables, name):
    if name == "turn_inner" and tables.turns == 1:
        pytest.skip("Tables of one turn have no such layer.")
    value = getattr(tables, name)
    larger = tuple(v * 5000 for v in value) if isinstance(value, tuple) else value * 5000
    with pytest.raises(InexactTables):
        dataclasses.replace(tables, **{name: larger})


def test_turns_that_know_what_comes_later_are_refused(tables):
    if tables.turns == 1:
        known, turn = tables.turn_known, np.ones_like(tables.turn)
    else:
        known, turn = np.ones_like(tables.turn_known), tables.turn
    with pytest.raises(ValueError, match="turn"):
        dataclasses.replace(tables, turn_known=known, turn=turn)


def test_tables_of_floats_are_refused(tables):
    arrays = folders.load_arrays(tables.to_bytes(), "tables")
    arrays["inner"] = arrays["inner"].astype(np.float32)
    with pytest.raises(ValueError, match="integers"):
        Tables.from_arrays(arrays)
