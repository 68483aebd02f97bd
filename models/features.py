"""The feature extractor f (section III-A, figure 3).

      x ─► conv 7×7 ↓4 ─norm─┬─► conv 5×5 ↓2 ─norm─┬─► conv 3×3 ─norm─┬─► conv 3×3 ─bound─► f(x)
                             │                     │   ▲              │   ▲
                             └──── pool, gain ─────┼───┴──────────────┼───┤
                                                   └──── pool, gain ──┴───┘

Every stage sees the output of the one before it, plus the earlier outputs,
average-pooled to its size and weighted by a learned gain.
"""

from __future__ import annotations

import tensorflow as tf

from deepsic.config import STAGES, ModelConfig
from models import quantiser
from models.normalisation import make_normalisation

PIXEL_SCALE = 255.0


class Gain(tf.keras.layers.Layer):
    """One learned factor for a path that jumps over a stage."""

    def __init__(self, initial: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, shape) -> None:
        self.gain = self.add_weight(
            "gain", (), initializer=tf.keras.initializers.Constant(self.initial)
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x * self.gain


@tf.custom_gradient
def _ignore_shifts(z: tf.Tensor):
    """z, with the part of its gradient left out that would shift a whole channel."""
    return z, lambda dz: dz - tf.reduce_mean(dz, axis=(0, 1, 2))


class Centre(tf.keras.layers.Layer):
    """Keeps the median of every channel in the middle of the quantiser's bin (-1, 0].

    Training noise does not see where the bins are, so nothing else would: a
    channel that is always near an edge would flip between two symbols. Gradients
    do not shift channels either: the median would only follow, for ever.
    """

    # How far the estimate moves in one training step, in quantiser steps.
    RATE = 0.02

    def __init__(self, bits: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.step = 1.0 / quantiser.half_levels(bits)

    def build(self, shape) -> None:
        self.median = self.add_weight(
            "median",
            (shape[-1],),
            initializer="zeros",
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )

    def call(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training:
            # The median is where as many values lie above as below.
            balance = tf.reduce_mean(tf.sign(z - self.median), axis=(0, 1, 2))
            self.median.assign_add(self.RATE * self.step * balance)
            z = _ignore_shifts(z)
        return z - self.median - 0.5 * self.step


class FeatureExtractor(tf.keras.layers.Layer):
    """x to f(x): four stages of convolution, subsampling and normalisation.

    Call with x, float32 (N, H, W, 3) in 0–255, sides multiples of the stride.
    Returns f, float32 (N, H/stride, W/stride, latents) in (-1, 1).
    """

    def __init__(self, config: ModelConfig, name: str = "features") -> None:
        super().__init__(name=name)
        self.config = config
        self.convs = []
        self.norms = []
        for i, (kernel, stride) in enumerate(zip(config.kernels, config.strides, strict=True)):
            last = i == STAGES - 1
            self.convs.append(
                tf.keras.layers.Conv2D(
                    config.latents if last else config.filters,
                    kernel,
                    strides=stride,
                    padding="same",
                    name=f"conv{i + 1}",
                )
            )
            self.norms.append(self._make_norm(i))
        self.centre = Centre(config.bits, name="centre")
        self.gains = {
            f"{j + 1}to{i + 1}": Gain(config.skip_gain, name=f"gain{j + 1}to{i + 1}")
            for i in range(2, STAGES)
            for j in range(i - 1)
        }

    def _make_norm(self, stage: int) -> tf.keras.layers.Layer | None:
        name = f"norm{stage + 1}"
        if stage < STAGES - 1:
            return make_normalisation(self.config.normalisation, name=name)
        # The bound is the last stage's non-linearity: a ReLU would halve the levels.
        if self.config.normalisation == "batch":
            return tf.keras.layers.BatchNormalization(
                momentum=0.99, gamma_initializer=tf.keras.initializers.Constant(0.1), name=name
            )
        return None

    def _stage_input(self, outputs: list[tf.Tensor], stage: int) -> tf.Tensor:
        total = outputs[-1]
        for j, earlier in enumerate(outputs[:-1]):
            factor = 1
            for s in self.config.strides[j + 1 : stage]:
                factor *= s
            if factor > 1:
                earlier = tf.nn.avg_pool2d(earlier, factor, factor, "SAME")
            total = total + self.gains[f"{j + 1}to{stage + 1}"](earlier)
        return total

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        outputs: list[tf.Tensor] = []
        y = x / PIXEL_SCALE - 0.5
        for i in range(STAGES):
            y = self.convs[i](self._stage_input(outputs, i) if i else y)
            norm = self.norms[i]
            if norm is not None:
                y = norm(y, training=training)
            outputs.append(y)
        return quantiser.bound(self.centre(y, training=training), self.config.bits)
