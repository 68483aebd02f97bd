"""The networks as TensorFlow runs them, for `deepsic.runtimes`: on GPUs, and for long jobs."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from deepsic.coding.rangecoder import PythonCoder, RangeCoder
from deepsic.folders import Folder
from models.gradient import squared_error_gradient
from models.weights import load_networks


def compiled(network: Callable, *shapes: tuple[int | None, ...]) -> Callable:
    """A network as one graph for every size of picture.

    The graph itself is called: of functions that are traced, one in each of several models,
    TensorFlow complains that they were traced too often.
    """
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    traced = tf.function(lambda *x: network(*x), input_signature=specs, autograph=False)
    return traced.get_concrete_function()


class KerasRuntime:
    """A `deepsic.runtimes.Runtime`.

    Args:
      folder: of the model.

    Attributes:
      model: the Keras networks.
    """

    name = "tensorflow"

    def __init__(self, folder: Folder) -> None:
        self.model = load_networks(folder)
        self._latents = folder.config.latents

    @functools.cached_property
    def range_coder(self) -> RangeCoder:
        """tensorflow-compression's, or ours where it is not installed."""
        try:
            import tensorflow_compression as tfc
        except ImportError:
            return PythonCoder()
        from deepsic.runtimes.tfc import TFCCoder

        return TFCCoder(tfc)

    @functools.cached_property
    def _features(self) -> Callable:
        features = self.model.features
        network = features.centred if self.model.config.gains else features
        return compiled(network, (None, None, None, 3))

    @functools.cached_property
    def _reconstruction(self) -> Callable:
        return compiled(self.model.reconstruction.decode, (None, None, None, self._latents))

    @functools.cached_property
    def _first_stages(self) -> Callable:
        return compiled(self.model.reconstruction.decode_first, (None, None, None, self._latents))

    @functools.cached_property
    def _describe(self) -> Callable:
        return compiled(self.model.semantics.describe, (None, None, None, self._latents))

    def features(self, x: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._features(tf.constant(x, tf.float32)).numpy()

    def reconstruction(self, f_hat: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._reconstruction(tf.constant(f_hat)).numpy()

    @functools.cached_property
    def _gradient(self) -> Callable:
        gradient = functools.partial(squared_error_gradient, self.model.reconstruction)
        return compiled(gradient, (None, None, None, self._latents), (None, None, None, 3))

    def gradient(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._gradient(tf.constant(y), tf.constant(x, tf.float32)).numpy()

    def first_stages(self, y: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._first_stages(tf.constant(y)).numpy()

    def describe(self, f: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._describe(tf.constant(f)).numpy()

    @functools.cached_property
    def _recognise(self) -> Callable:
        return compiled(self.model.semantics.recognise, (None, None, None, 3))

    def recognise(self, x: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self._recognise(tf.constant(x, tf.float32)).numpy()

    def decide(self, description: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return self.model.semantics.decide(tf.constant(description, tf.float32)).numpy()
