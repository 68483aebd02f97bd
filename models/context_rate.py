"""A rate term that knows contexts, in place of eq. 5's marginal densities.

Files are paid for under the context classifier, which knows each symbol's neighbours and
the other channels. This layer gives the networks the same view in training: the coder's
own seven passes, the coder's own neighbours, and one evaluation for all channels at a
place, each of which sees those before it:

    known neighbours ─► spatial units ──┬─────────────────────► density of channel c
           │                            └─► place units (≤ c) ──────────┘
           └─► predicted value ─► residual of channels < c ─────┘

The density is a mixture of two logistics around the predicted value, integrated over the
quantiser's bin.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from deepsic.coding.interlace import PASSES, REACH, TAPS, tap_views
from models.features import between
from models.rate import LEAST_PROBABILITY

# What a place tells its neighbours, what it learns from them, and from its own channels.
SEEN_UNITS = 96
SPATIAL_UNITS = 96
PLACE_UNITS = 192
# Parameters of a channel's density: shift, two log scales, weight, distance.
PARAMETERS = 5
# Sharper densities gain nothing on whole symbols, and pull at noisy ones without measure.
LEAST_LOG_SCALE = -2.7
# Neighbours whose mean the predicted value begins with.
NEAREST = 4
# Residuals beyond this many steps say no more about other channels.
RESIDUAL_CLIP = 8.0


def _degrees(units: int, channels: int) -> np.ndarray:
    """Of each place unit: how many channels it may see, evenly spread."""
    return np.floor(np.arange(units) * channels / units).astype(np.int32)


class ContextRate(tf.keras.layers.Layer):
    """Bits of features under densities that depend on what is decoded before.

    Call with y, float32 (N, h, w, latents) in quantiser steps, noisy or dequantised, and
    `rate_index`, float32 (N,), where the model knows several rates. Returns the bits of each
    example, float32 (N,).

    Args:
      latents: channels.
      rates: that the model knows; at least 1.
      name: of the layer.
    """

    def __init__(self, latents: int, rates: int = 1, name: str = "prior") -> None:
        super().__init__(name=name, dtype="float32")
        self.latents = latents
        self.rates = max(1, rates)
        degree = _degrees(PLACE_UNITS, latents)
        channel = np.arange(latents)
        # A unit sees channels below its degree; a channel sees units up to its own number.
        self.sees = tf.constant(np.tile(channel[:, None] < degree, (2, 1)), tf.float32)
        self.seen = tf.constant(np.tile(degree[:, None] <= channel, (1, PARAMETERS)), tf.float32)
        self.before = tf.constant(np.triu(np.ones((latents, latents)), 1), tf.float32)

    def build(self, shape) -> None:
        c, glorot, zeros = self.latents, "glorot_uniform", "zeros"
        rates, passes = self.rates, len(PASSES)

        def add(name: str, *size: int, initializer=glorot, trainable: bool = True):
            return self.add_weight(name, size, initializer=initializer, trainable=trainable)

        self.seen_units = add("seen_units", 2 * c, SEEN_UNITS)
        # The first pass has no neighbours, hence no such weights.
        with_taps = [(n, len(taps)) for n, taps in enumerate(TAPS) if taps]
        self.spatial = {
            str(n): add(f"spatial{n}", taps * (SEEN_UNITS + 1), SPATIAL_UNITS)
            for n, taps in with_taps
        }
        self.predictor = {
            str(n): add(f"predictor{n}", taps, c, initializer=_nearest) for n, taps in with_taps
        }
        self.spatial_bias = add("spatial_bias", passes, SPATIAL_UNITS, initializer=zeros)
        self.spatial_rate = add("spatial_rate", rates, SPATIAL_UNITS, initializer=zeros)
        self.inner = add("inner", SPATIAL_UNITS, PLACE_UNITS)
        self.known = add("known", 2 * c, PLACE_UNITS)
        self.inner_bias = add("inner_bias", passes, PLACE_UNITS, initializer=zeros)
        small = tf.keras.initializers.RandomNormal(stddev=1e-2, seed=1)
        self.outer = add("outer", PLACE_UNITS, c * PARAMETERS, initializer=small)
        self.direct = add("direct", SPATIAL_UNITS, c * PARAMETERS, initializer=zeros)
        self.outer_bias = add("outer_bias", rates, PARAMETERS, c, initializer=zeros)
        self.pass_bias = add("pass_bias", passes, c * PARAMETERS, initializer=zeros)
        self.correction = add("correction", c, c, initializer=zeros)
        # The inputs' scale: 1 over half a channel's spread, at each rate.
        self.log_spread = add("log_spread", rates, c, initializer=zeros, trainable=False)

    def start(self, spread: np.ndarray) -> None:
        """Begins with densities as wide as the channels are.

        Args:
          spread: (rates, latents), standard deviations in quantiser steps.
        """
        self.log_spread.assign(np.log(np.maximum(1.0, spread / 2)))
        bias = self.outer_bias.numpy()
        wide = np.log(np.maximum(spread, 0.2) * 0.55)
        bias[:, 1], bias[:, 2] = wide - 0.7, wide + 0.3
        self.outer_bias.assign(bias)

    def call(self, y: tf.Tensor, rate_index: tf.Tensor | None = None) -> tf.Tensor:
        passes = self.bits_per_symbol(y, rate_index)
        return tf.add_n([tf.reduce_sum(bits, axis=(1, 2, 3)) for bits in passes])

    def bits_per_symbol(self, y: tf.Tensor, rate_index: tf.Tensor | None = None) -> list[tf.Tensor]:
        """-log2 P of every symbol, for each pass that has positions.

        Args:
          y, rate_index: see the class.

        Returns:
          float32 (N, rows, columns, latents) of each pass.
        """
        count, (h, w) = tf.shape(y)[0], y.shape[1:3]
        weights = tf.ones((count, 1)) if rate_index is None else between(rate_index, self.rates)
        v = y + 0.5  # symbol 0 is zero
        gain = tf.exp(-weights @ self.log_spread)[:, None, None]
        seen = tf.concat([v * gain, tf.math.log1p(tf.abs(v))], axis=-1)
        seen = tf.nn.relu(seen @ self.seen_units)
        seen = tf.concat([seen, tf.ones_like(seen[..., :1])], axis=-1)
        around = [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)]
        padded, plain = tf.pad(seen, around), tf.pad(v, around)
        shapes = [p.shape(h, w) for p in PASSES]
        numbers = [n for n, (rows, columns) in enumerate(shapes) if rows * columns]
        sums = [self._spatial_sums(padded, n, *shapes[n]) for n in numbers]
        residuals = [
            tf.reshape(PASSES[n].of(v) - self._predict(plain, n, *shapes[n]), (-1, self.latents))
            for n in numbers
        ]
        sizes = [tf.shape(r)[0] for r in residuals]
        # All passes side by side: only their spatial weights and biases differ.
        number = tf.repeat(numbers, sizes)
        each = tf.concat(
            [tf.repeat(weights, shapes[n][0] * shapes[n][1], axis=0) for n in numbers], axis=0
        )
        units = tf.nn.relu(tf.concat(sums, axis=0) + each @ self.spatial_rate)
        bits = self._bits(units, tf.concat(residuals, axis=0), each, number)
        return [
            tf.reshape(part, (count, *shapes[n], self.latents))
            for n, part in zip(numbers, tf.split(bits, sizes, num=len(numbers)), strict=True)
        ]

    def _spatial_sums(self, padded: tf.Tensor, number: int, rows: int, columns: int) -> tf.Tensor:
        bias = self.spatial_bias[number]
        if not TAPS[number]:
            return tf.zeros((tf.shape(padded)[0] * rows * columns, 1)) + bias
        x = tf.concat(list(tap_views(padded, number, rows, columns)), axis=-1)
        return tf.reshape(x, (-1, x.shape[-1])) @ self.spatial[str(number)] + bias

    def _predict(self, plain: tf.Tensor, number: int, rows: int, columns: int):
        """Of each value, from its channel's known neighbours."""
        if not TAPS[number]:
            return 0.0
        weights = self.predictor[str(number)]
        views = tap_views(plain, number, rows, columns)
        return tf.add_n([view * weights[t] for t, view in enumerate(views)])

    def _bits(self, units, residual, weights, number) -> tf.Tensor:
        """-log2 P at each place, (places, latents), from the residuals there."""
        clipped = tf.clip_by_value(residual, -RESIDUAL_CLIP, RESIDUAL_CLIP) / 2
        here = tf.concat([clipped, tf.math.log1p(tf.abs(residual))], axis=-1)
        place = units @ self.inner + here @ (self.known * self.sees)
        place += tf.gather(self.inner_bias, number)
        out = tf.nn.relu(place) @ (self.outer * self.seen) + units @ self.direct
        out += weights @ tf.reshape(self.outer_bias, (self.rates, -1))
        out += tf.gather(self.pass_bias, number)
        # Parameter by parameter, each of all channels.
        shift, scale1, scale2, weight, distance = tf.split(out, PARAMETERS, axis=-1)
        residual -= residual @ (self.correction * self.before) + shift
        first = _mass(residual, scale1)
        second = _mass(residual - distance, scale2)
        p = second + tf.sigmoid(weight) * (first - second)
        return tf.math.log(p + LEAST_PROBABILITY) / -tf.math.log(2.0)


def _mass(x: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Mass of a logistic density in the bin of one step around x."""
    inverse = tf.exp(-tf.clip_by_value(log_scale, LEAST_LOG_SCALE, 6.0))
    # On the left of the density, where differences of sigmoids are exact.
    left = -tf.abs(x)
    return tf.sigmoid((left + 0.5) * inverse) - tf.sigmoid((left - 0.5) * inverse)


def _nearest(shape, dtype=None, **_) -> tf.Tensor:
    """Half the mean of the nearest neighbours."""
    taps, channels = shape
    near = min(taps, NEAREST)
    weights = np.zeros((taps, channels), np.float32)
    weights[:near] = 0.5 / max(near, 1)
    return tf.constant(weights)
