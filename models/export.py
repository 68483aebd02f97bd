"""The networks as graphs for LiteRT, which need no TensorFlow where they run."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from deepsic import graphs
from models import weights
from models.deepsic import DeepSIC
from models.gradient import squared_error_gradient


def codec_graphs(model: DeepSIC) -> dict[str, bytes]:
    """Both transforms, as .tflite files, by their names in the model folder.

    Gains and the bound behind them are no part of these: a model has many steps.
    """
    features = model.features.centred if model.config.gains else model.features
    maps, pictures = (None, None, None, model.config.latents), (None, None, None, 3)
    with _subpixel(model.reconstruction), _folded(model):
        made = {
            "features": convert(features, pictures),
            "reconstruction": convert(model.reconstruction.decode, maps),
        }
    if model.config.can_refine:
        gradient = functools.partial(squared_error_gradient, model.reconstruction)
        made["gradient"] = convert(gradient, maps, pictures)
    return made


def head_graphs(model: DeepSIC) -> dict[str, bytes]:
    """The paper's head in two: what describes a tile, what decides from the mean description.

    Of a pretrained head, what its map reads if that is not the features.
    """
    head = model.semantics
    maps = (None, None, None, model.config.latents)
    if model.config.head_input == "decoder":
        with _subpixel(model.reconstruction), _folded(model):
            return {"first_stages": convert(model.reconstruction.decode_first, maps)}
    if model.config.head == "pretrained":
        return {}  # the map is computed without a graph, the network's is shared
    with _folded(model):
        describe = convert(head.describe, maps)
    size = head.fc1.kernel.shape[0]
    return {"describe": describe, "decide": convert(head.decide, (None, size))}


def convert(network: Callable[..., tf.Tensor], *shapes: tuple[int | None, ...]) -> bytes:
    """A function of float32 tensors as a .tflite file.

    Args:
      network: whose variables become constants.
      shapes: of the tensors; None where any size may stand.
    """
    module = tf.Module()
    specs = [tf.TensorSpec(shape, tf.float32, name=f"x{i}") for i, shape in enumerate(shapes)]
    module.run = tf.function(lambda *x: network(*x), input_signature=specs, autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.run.get_concrete_function()], module
    )
    return converter.convert()


@contextlib.contextmanager
def _subpixel(network: tf.keras.layers.Layer) -> Iterator[None]:
    """Has transposed convolutions computed as plain ones and `depth_to_space`.

    These are the same sums; LiteRT takes a third of the time for them.
    """
    layers = [m for m in network.submodules if isinstance(m, tf.keras.layers.Conv2DTranspose)]
    for layer in layers:
        stride, _ = layer.strides
        kernel = graphs.subpixel(layer.kernel.numpy(), stride)
        bias = np.tile(layer.bias.numpy(), stride * stride)
        layer.call = functools.partial(_subpixel_call, kernel=kernel, bias=bias, stride=stride)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _subpixel_call(x: tf.Tensor, kernel: np.ndarray, bias: np.ndarray, stride: int) -> tf.Tensor:
    y = tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias)
    return tf.nn.depth_to_space(y, stride) if stride > 1 else y


@contextlib.contextmanager
def _folded(model: DeepSIC) -> Iterator[None]:
    """Works batch normalisations into the convolutions right before them, as `graphs.fold` does."""
    layers = weights.layers(model)
    arrays = {name: v.numpy() for name, v in weights.named_variables(model).items()}
    changed = []
    for name, behind in weights.normalised(model).items():
        conv, batch = layers[name], layers[behind]
        kernel = graphs.fold(arrays[f"{name}/kernel"], arrays, behind)
        factor, bias = graphs.normalisation(arrays, behind)
        if f"{name}/bias" in arrays:
            bias = bias + factor * arrays[f"{name}/bias"]
        conv.call = functools.partial(_folded_call, kernel=kernel, bias=bias, strides=conv.strides)
        batch.call = _pass_on
        changed += [conv, batch]
    try:
        yield
    finally:
        for layer in changed:
            del layer.call


def _folded_call(x: tf.Tensor, kernel: np.ndarray, bias: np.ndarray, strides) -> tf.Tensor:
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides, "SAME"), bias)


def _pass_on(x: tf.Tensor, training: bool = False) -> tf.Tensor:
    return x
