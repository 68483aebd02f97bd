"""The semantic head that ends with a pretrained network, in Keras (`deepsic.pretrained`).

    f ─► linear map (5×5 or 3×3) ─► depth to space ─► resize ─► EfficientNet-Lite0 ─► / T ─► logits

Of a head with `head_input` decoder the map reads what the decoder's first stages make of f. The
network's weights are constants: tuned on less than what they were trained on, they forget. The map
learns, and the codec with it where L_sem is in the joint loss.
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from deepsic.config import ModelConfig
from deepsic.pretrained import get_map_side, open_network
from models.efficientnet import EfficientNet


@functools.cache
def shared_network() -> EfficientNet:
    """The network that all models share, with weights as shipped; raises ModelError."""
    with tf.init_scope():  # not a part of whatever graph is being made
        arrays = open_network().weights()
        return EfficientNet({n: a.astype(np.float32) for n, a in arrays.items()})


class Temperature(tf.keras.layers.Layer):
    """Divides logits by a number that is fitted, not learned."""

    def build(self, shape) -> None:
        self.value = self.add_weight(
            name="value", shape=(), initializer="ones", trainable=False, dtype=tf.float32
        )
        super().build(shape)

    def call(self, logits: tf.Tensor) -> tf.Tensor:
        return logits / self.value


class PretrainedHead(tf.keras.layers.Layer):
    """Features to logits of ImageNet's 1,000 classes.

    Call with f, float32 (N, h, w, map_inputs): features, as `models.semantics.SemanticHead`, or
    what the decoder's first stages make of them (`ModelConfig.head_input`).
    """

    def __init__(self, config: ModelConfig, name: str = "semantics") -> None:
        super().__init__(name=name, dtype="float32")
        self.stride, self.side = config.stride, open_network().side
        self.map = tf.keras.layers.Conv2D(
            3 * config.stride**2,
            get_map_side(config),
            padding="same",
            bias_initializer=_grey,
            dtype="float32",
            name="map",
        )
        self.temperature = Temperature(dtype="float32", name="temperature")

    @property
    def fully_connected(self) -> list[tf.Variable]:
        """None of those that learn: the network's stay as they are."""
        return []

    def pixels(self, f: tf.Tensor) -> tf.Tensor:
        """What the map makes of features: float32 (N, h·stride, w·stride, 3), about 0–255."""
        return tf.nn.depth_to_space(self.map(f), self.stride)

    def recognise(self, x: tf.Tensor) -> tf.Tensor:
        """The network's logits, float32 (N, 1000), for pictures as it wants them, 0–255."""
        return shared_network()(x)

    def answers(self, x: tf.Tensor) -> tf.Tensor:
        """What the head would say if it saw the originals: the teacher's answers in L_sem.

        Args:
          x: float32 (N, H, W, 3) in 0–255.

        Returns:
          Probabilities, float32 (N, 1000), without a gradient.
        """
        logits = self.temperature(self.recognise(self.fit(x)))
        return tf.stop_gradient(tf.nn.softmax(logits))

    def fit(self, x: tf.Tensor) -> tf.Tensor:
        """The middle squares of pictures (N, H, W, 3), as large as the network wants them."""
        edge = tf.reduce_min(tf.shape(x)[1:3])
        x = tf.image.resize_with_crop_or_pad(x, edge, edge)
        # Pictures that fit already come out as they are.
        return tf.image.resize(x, (self.side, self.side), method="bicubic", antialias=True)

    def call(
        self, f: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        x = tf.clip_by_value(self.pixels(f), 0.0, 255.0)
        return self.temperature(self.recognise(self.fit(x)))


def _grey(shape, dtype=None) -> tf.Tensor:
    return tf.fill(shape, tf.cast(127.0, dtype or tf.float32))
