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

from deepsic import graphs
from deepsic.config import STAGES, ModelConfig
from models import quantiser, replicas
from models.normalisation import BatchNormalization, make_normalisation

PIXEL_SCALE = 255.0


class Gain(tf.keras.layers.Layer):
    """One learned factor for a path that jumps over a stage."""

    def __init__(self, initial: float, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)
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
    return z, lambda dz: dz - replicas.mean(tf.reduce_mean(dz, axis=(0, 1, 2)))


class Centre(tf.keras.layers.Layer):
    """Keeps the median of every channel at zero, which becomes the middle of the bin (-1, 0].

    Training noise does not see where the bins are, so nothing else would: a
    channel that is always near an edge would flip between two symbols. Gradients
    do not shift channels either: the median would only follow, for ever.
    """

    # How far the estimate moves in one training step, in quantiser steps. Behind gains, a
    # decoder that begins as a good one is slower to follow.
    RATE = 0.02
    RATE_BEHIND_GAINS = 0.002

    def __init__(self, bits: int, rate: float = RATE, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.step = 1.0 / quantiser.half_levels(bits)
        self.rate = rate

    def build(self, shape) -> None:
        self.median = self.add_weight(
            "median", (shape[-1],), initializer="zeros", trainable=False, **replicas.ALIKE
        )

    def call(
        self, z: tf.Tensor, gain: tf.Tensor | float = 1.0, training: bool = False
    ) -> tf.Tensor:
        """Centres z, whose channels get `gain`, (channels,), behind this layer."""
        if training:
            # The median is where as many values lie above as below.
            balance = replicas.mean(tf.reduce_mean(tf.sign(z - self.median), axis=(0, 1, 2)))
            self.median.assign_add(self.rate * self.step / gain * balance)
            z = _ignore_shifts(z)
        return z - self.median


class Gains(tf.keras.layers.Layer):
    """A factor for each channel at each of the model's rates, geometric between them.

    Call with x, (N, h, w, channels), and rate_index, float32 (N,), 0 to rates - 1.
    """

    def __init__(self, rates: int, channels: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.rates = rates
        self.log_gain = self.add_weight("log_gain", (rates, channels), initializer="zeros")

    @property
    def usual(self) -> tf.Tensor:
        """The geometric mean over the rates, (channels,)."""
        return tf.exp(tf.reduce_mean(self.log_gain, axis=0))

    def call(self, x: tf.Tensor, rate_index: tf.Tensor) -> tf.Tensor:
        return x * tf.exp(between(rate_index, self.rates) @ self.log_gain)[:, None, None]


def between(rate_index: tf.Tensor, rates: int) -> tf.Tensor:
    """Weights of linear interpolation, (N, rates), at the points `rate_index`, (N,).

    Points beyond the first and the last are on the lines through the nearest two.
    """
    low = tf.clip_by_value(tf.floor(rate_index), 0.0, max(0.0, rates - 2.0))
    share, low = (rate_index - low)[:, None], tf.cast(low, tf.int32)
    return (1.0 - share) * tf.one_hot(low, rates) + share * tf.one_hot(low + 1, rates)


class ResidualBlock(tf.keras.layers.Layer):
    """Adds to y what two convolutions of half its width find; nothing at the start.

    Call with y, float32 (N, h, w, filters).
    """

    # Behind it the decoder multiplies what it gets with itself, stage by stage: whole steps
    # of the second convolution made training unstable.
    SHARE = graphs.BLOCK_SHARE
    SLOPE = 0.2

    def __init__(self, filters: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        half = max(1, filters // 2)
        self.first = tf.keras.layers.Conv2D(half, 3, padding="same", name="first")
        self.second = tf.keras.layers.Conv2D(
            filters, 3, padding="same", kernel_initializer="zeros", name="second"
        )

    def call(self, y: tf.Tensor) -> tf.Tensor:
        inner = tf.nn.leaky_relu(self.first(y), self.SLOPE)
        return y + self.SHARE * tf.cast(self.second(inner), tf.float32)


class FeatureExtractor(tf.keras.layers.Layer):
    """x to f(x): four stages of convolution, subsampling and normalisation.

    Call with x, float32 (N, H, W, 3) in 0–255, sides multiples of the stride, and, where the
    model knows several rates, `rate_index`, float32 (N,), 0 to gains - 1.
    Returns f, float32 (N, H/stride, W/stride, latents) in (-1, 1).
    """

    def __init__(self, config: ModelConfig, name: str = "features") -> None:
        super().__init__(name=name, dtype="float32")
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
        self.blocks = [ResidualBlock(config.filters, f"block{i + 1}") for i in range(config.blocks)]
        rate = Centre.RATE_BEHIND_GAINS if config.gains else Centre.RATE
        self.centre = Centre(config.bits, rate, name="centre")
        self.rate_gains = (
            Gains(config.gains, config.latents, "rate_gains") if config.gains else None
        )
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
            return BatchNormalization(
                dtype="float32",
                momentum=0.99,
                gamma_initializer=tf.keras.initializers.Constant(0.1),
                name=name,
            )
        return None

    @property
    def shifts(self) -> list[tf.Variable]:
        """Variables that only shift whole channels in front of `centre`, which undoes that.

        Their gradient is zero but for rounding, and Adam would make whole steps of that.
        """
        norm = self.norms[-1]
        return [self.convs[-1].bias, *([] if norm is None else [norm.beta])]

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

    def centred(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """What the gains and the bound make f(x) of: float32, of the same shape."""
        y = x / PIXEL_SCALE - 0.5
        outputs: list[tf.Tensor] = []
        for i in range(STAGES):
            y = self._stage_input(outputs, i) if i else y
            if i == STAGES - 1:
                for block in self.blocks:
                    y = block(y)
            y = self.convs[i](y)
            norm = self.norms[i]
            if norm is not None:
                y = norm(y, training=training)
            outputs.append(y)
        usual = 1.0 if self.rate_gains is None else self.rate_gains.usual
        return self.centre(y, usual, training=training)

    def call(
        self, x: tf.Tensor, rate_index: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        return self.bounded(self.centred(x, training), rate_index)

    def bounded(self, z: tf.Tensor, rate_index: tf.Tensor | None = None) -> tf.Tensor:
        """f(x) from what `centred` returns."""
        if self.rate_gains is not None:
            z = self.rate_gains(z, rate_index)
        return quantiser.bound(z - 0.5 * self.centre.step, self.config.bits)
