"""Graphs, weights and coding tables of strangers: checked before they are used."""

import json

import numpy as np
import pytest

from deepsic import folders
from deepsic.coding.symbols import SymbolCoder
from deepsic.coding.tables import Tables
from deepsic.errors import ModelError
from deepsic.untrusted import load_arrays
from tests.deepsic.untrusted import find_tables, load, npz, replace


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(4000), b"\x1c\x00\x00\x00TFL3" + bytes(999)])
def test_graphs_that_are_none_are_damaged(copy, data):
    graphs = {n: np.frombuffer(data, np.uint8) for n in ("features", "reconstruction")}
    replace(copy, "codec/graphs.npz", npz(**graphs))
    replace(copy, "codec/graphs.json", b'{"version": 1, "features": [], "reconstruction": []}')
    with pytest.raises(ModelError, match="is damaged"):
        load(copy)


@pytest.mark.parametrize(
    "slot",
    [
        [10**9, "features/conv2/kernel", "conv"],
        [-1, "features/conv2/kernel", "conv"],
        [0.0, "features/conv2/kernel", "conv"],
        [0, "features/conv99/kernel", "conv"],
        [0, "features/conv2/kernel", "diagonal"],
        [0, "features/conv2/bias", "conv"],
        [0, "features/conv2/kernel"],
        [0, "features/conv2/kernel", "conv", "features/norm2"],
        5,
        "abc",
    ],
)
def test_weights_are_put_nowhere_but_into_their_graph(copy, slot):
    slots = json.loads((copy / "codec/graphs.json").read_text())
    slots["features"].append(slot)
    replace(copy, "codec/graphs.json", json.dumps(slots).encode())
    with pytest.raises(ModelError, match=r"graphs\.npz is damaged"):
        load(copy)


def test_a_graph_of_another_shape_is_damaged(copy):
    """What a stranger's graph takes and gives is not what this codec has."""
    arrays = load_arrays((copy / "codec/graphs.npz").read_bytes(), "x")
    slots = json.loads((copy / "codec/graphs.json").read_text())
    arrays["features"], slots["features"] = arrays["reconstruction"], slots["reconstruction"]
    replace(copy, "codec/graphs.npz", npz(**arrays))
    replace(copy, "codec/graphs.json", json.dumps(slots).encode())
    with pytest.raises(ModelError, match="is damaged"):
        load(copy)


def test_weights_that_compute_nothing_finite_give_one_clear_error(copy):
    arrays = load_arrays((copy / "heads/pre/weights.npz").read_bytes(), "x")
    for name in ("kernel", "bias"):
        array = arrays[f"semantics/fc2/{name}"].astype(np.float32)
        array.flat = np.resize(np.float32([3e38, -3e38]), array.size)
        arrays[f"semantics/fc2/{name}"] = array
    arrays["semantics/fc1/bias"] = np.full_like(arrays["semantics/fc1/bias"], 60_000)
    replace(copy, "heads/pre/weights.npz", npz(**arrays))
    with pytest.raises(ModelError, match="no probabilities"):
        load(copy, "tensorflow")


def test_tables_of_any_numbers_code_symbols_or_are_refused(copy):
    """Each array in turn holds what no fit would give."""
    good = load_arrays((copy / find_tables(copy)).read_bytes(), "x")
    q = np.random.default_rng(0).integers(-3, 4, (6, 6, 16)).astype(np.int8)
    refused = set()
    for key, array in good.items():
        for value in (-(2**31), -1000, -1, 255, 2**31 - 1):
            try:
                tables = Tables.from_arrays(good | {key: np.full_like(array, value, np.int32)})
            except ValueError:
                refused.add(key)
                continue
            coder = SymbolCoder(tables)
            assert coder.decode(coder.encode(q), 6, 6).shape == q.shape
    assert refused >= {"cap", "wide", "reach", "outer_bits", "spatial.1", "trees.child"}


def test_tables_of_other_shapes_are_refused(copy):
    name = find_tables(copy)
    good = load_arrays((copy / name).read_bytes(), "x")
    for key, array in good.items():
        for other in (array[None], array[..., :0], np.zeros((), np.int8), array.astype(float)):
            assert other.shape != array.shape or other.dtype != array.dtype
            replace(copy, name, npz(**(good | {key: other})))
            with pytest.raises(ModelError, match="coding table"):
                folders.open_folder(copy).tables()[0]()
