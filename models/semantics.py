"""The semantic analysis h (section III-D, figure 4): what the picture shows.

      f ─► normalise ─► conv ─► conv ↓2 ─► conv ↓2 ─► conv ─► mean ─► fc1 ─► fc2 ─► logits

At stride 16 and above only the second of the two subsamples, so that strides 8 and 16 both
end at 1/32 of the picture's side.
The mean over positions before the first fully connected layer lets it take
pictures of any size. With `head_depth`, residual blocks follow each of the first
three convolutions; the paper leaves the number of layers open.
"""

from __future__ import annotations

import tensorflow as tf

from deepsic.config import ModelConfig
from models import replicas
from models.normalisation import BatchNormalization
from models.pretrained import PretrainedHead


class ConvBlock(tf.keras.layers.Layer):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, filters: int, stride: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.conv = tf.keras.layers.Conv2D(
            filters, 3, strides=stride, padding="same", use_bias=False, name="conv"
        )
        self.batch = BatchNormalization(dtype="float32", name="batch")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return tf.nn.relu(self.batch(self.conv(x), training=training))


class BasicBlock(tf.keras.layers.Layer):
    """ResNet's basic block: adds to its input what two convolutions find; nothing at the start."""

    def __init__(self, filters: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.first = ConvBlock(filters, 1, name="first")
        self.conv = tf.keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name="conv")
        self.batch = BatchNormalization(dtype="float32", gamma_initializer="zeros", name="batch")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        y = self.conv(self.first(x, training=training))
        return tf.nn.relu(x + self.batch(y, training=training))


class SemanticHead(tf.keras.layers.Layer):
    """Features to class logits: convolutions, two fully connected layers (eq. 3).

    Call with f, float32 (N, h, w, latents) in (-1, 1): the float features in
    `pre`, the dequantised ones in `post`. Returns logits, float32 (N, classes);
    their softmax is the probability of each class.
    """

    DROPOUT = 0.3

    def __init__(self, config: ModelConfig, name: str = "semantics") -> None:
        super().__init__(name=name, dtype="float32")
        width = config.head_width
        # Features keep most of their range for a few channels; the head wants them even.
        self.even = BatchNormalization(dtype="float32", name="even")
        first = 2 if config.stride < 16 else 1
        plan = [(width, 1), (3 * width // 2, first), (2 * width, 2), (2 * width, 1)]
        self.blocks = [
            ConvBlock(filters, stride, name=f"block{i + 1}")
            for i, (filters, stride) in enumerate(plan)
        ]
        self.residuals = [
            [
                BasicBlock(filters, name=f"residual{i + 1}_{k + 1}")
                for k in range(config.head_depth if i < 3 else 0)
            ]
            for i, (filters, _) in enumerate(plan)
        ]
        self.fc1 = tf.keras.layers.Dense(2 * width, activation="relu", dtype="float32", name="fc1")
        self.fc2 = tf.keras.layers.Dense(config.classes, dtype="float32", name="fc2")

    @property
    def fully_connected(self) -> list[tf.Variable]:
        """Variables of the two fully connected layers, which have a learning rate of their own."""
        return self.fc1.trainable_variables + self.fc2.trainable_variables

    def describe(self, f: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The convolutions and the mean over positions: float32 (N, 2·head_width)."""
        y = self.even(f, training=training)
        for block, residuals in zip(self.blocks, self.residuals, strict=True):
            y = block(y, training=training)
            for residual in residuals:
                y = residual(y, training=training)
        return tf.reduce_mean(y, axis=(1, 2))

    def decide(self, description: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """The two fully connected layers: logits, float32 (N, classes).

        Args:
          description: of `describe`.
          seed: int (2,), of the dropout; none drops nothing.
        """
        if seed is not None:
            dropout = tf.nn.experimental.stateless_dropout
            ones = tf.ones(replicas.all_rows(tf.shape(description)))
            description *= replicas.own_rows(dropout(ones, self.DROPOUT, seed))
        return self.fc2(self.fc1(description))

    def call(
        self, f: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        return self.decide(self.describe(f, training), seed if training else None)


def make_head(config: ModelConfig) -> SemanticHead | PretrainedHead:
    """The head that a configuration names."""
    return PretrainedHead(config) if config.head == "pretrained" else SemanticHead(config)
