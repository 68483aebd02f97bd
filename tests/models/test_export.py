"""LiteRT computes what Keras does, from graphs whose weights are stored once."""

import json

import numpy as np
import pytest
import tensorflow as tf

from deepsic import graphs, runtimes
from deepsic.labels import Labels
from models import weights
from models.deepsic import DeepSIC
from models.export import convert
from tests.models.tiny import tiny_config
from training.context.fit import fit

CONFIGS = [
    {"normalisation": "gdn", "skip_gain": 0.5},
    {"normalisation": "batch"},
    {"strides": (4, 2, 2, 1), "normalisation": "gdn", "arch": "post"},
    {"strides": (2, 2, 1, 2), "kernels": (5, 4, 3, 5), "filters": 12, "latents": 7},
    {"strides": (1, 4, 2, 1), "kernels": (3, 7, 2, 3), "bits": 8, "head_depth": 1},
    {"normalisation": "gdn", "skip_gain": 0.5, "filters": 11, "blocks": 1, "decoder_blocks": 2},
]


def unlike_a_fresh_one(model):
    """Moves every variable, so that none can be left out unseen."""
    rng = np.random.default_rng(0)
    for variable in model.variables:
        value = variable.numpy()
        variable.assign(value + rng.uniform(0.02, 0.1, value.shape))


@pytest.fixture(scope="module", params=range(len(CONFIGS)))
def folder(request, tmp_path_factory):
    config = tiny_config(**CONFIGS[request.param])
    tf.keras.utils.set_random_seed(request.param)
    model = DeepSIC(config)
    model.create_variables()
    unlike_a_fresh_one(model)
    low = 1 - (1 << config.bits - 1)
    q = np.random.default_rng(0).integers(-1, 2, (2, 9, 9, config.latents))
    tables = fit(q, lowest=low, hidden=2, steps=0)
    labels = Labels.of([f"c{i}" for i in range(config.classes)])
    return weights.save(
        tmp_path_factory.mktemp("export") / "m", model, tables.to_bytes(), labels, {}
    )


@pytest.fixture(scope="module")
def both(folder):
    return [runtimes.make(name, folder) for name in runtimes.NAMES]


@pytest.mark.parametrize("size", [(1, 4, 6), (1, 3, 3), (2, 5, 4)])
def test_both_runtimes_compute_the_same(folder, both, size):
    lite, keras = both
    rng = np.random.default_rng(1)
    n, rows, columns = size
    stride, latents = folder.config.stride, folder.config.latents
    x = rng.uniform(0, 255, (n, rows * stride, columns * stride, 3)).astype(np.float32)
    f = rng.uniform(-1, 1, (n, rows, columns, latents)).astype(np.float32)
    calls = [("features", x), ("reconstruction", f), ("describe", f)]
    if folder.config.can_refine:
        calls.append(("gradient", f, x))
    for name, *given in calls:
        ours, theirs = (getattr(r, name)(*given) for r in (lite, keras))
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
    description = keras.describe(f)
    ours, theirs = lite.decide(description), keras.decide(description)
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_large_weights_are_stored_once(folder):
    """No array of a kernel's size is left in a graph."""
    for part in ("codec", f"heads/{folder.arch}"):
        slots = json.loads(folder.read(f"{part}/graphs.json"))
        named = {slot[1] for name, s in slots.items() if name != "version" for slot in s}
        arrays = folder.weights()
        kernels = {
            n
            for n, a in arrays.items()
            if n.endswith(("/kernel", "gamma"))
            and a.size >= graphs.LEAST_SIZE
            and (n.startswith(weights.HEAD) != (part == "codec"))
        }
        assert kernels <= named


def test_weights_come_back_as_they_were_saved(folder):
    model = weights.load_networks(folder)
    arrays = folder.weights()
    named = weights.named_variables(model)
    assert named.keys() == arrays.keys()
    for name, variable in named.items():
        assert arrays[name].dtype == np.float16
        np.testing.assert_array_equal(variable.numpy(), arrays[name].astype(np.float32))


@pytest.mark.parametrize(
    ("kernel", "stride"), [(3, 1), (5, 1), (5, 2), (7, 4), (4, 4), (2, 2), (3, 2)]
)
def test_subpixel_convolutions_are_the_transposed_ones(kernel, stride):
    layer = tf.keras.layers.Conv2DTranspose(3, kernel, strides=stride, padding="same")
    x = tf.random.stateless_normal((1, 5, 6, 4), (1, 2))
    expected = layer(x)
    y = tf.nn.conv2d(x, graphs.subpixel(layer.kernel.numpy(), stride), 1, "SAME")
    y = tf.nn.depth_to_space(y, stride) if stride > 1 else y
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_graphs_are_whole_again_with_their_weights():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 8, 16)).astype(np.float16)
    full = kernel.astype(np.float32)
    data = convert(lambda x: tf.nn.conv2d(x, full, 1, "SAME"), (1, 8, 8, 8))
    arrays = {"a/kernel": kernel, "b/kernel": -kernel}
    empty, slots = graphs.take_out(data, arrays, {})
    assert [slot[1:] for slot in slots] == [("a/kernel", "conv")]
    assert graphs.convolution(full).tobytes() in data
    assert graphs.convolution(full).tobytes() not in empty
    assert graphs.put_in(empty, slots, arrays) == data
