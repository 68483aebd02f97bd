"""The reconstruction g (section III-C, eq. 2), which mirrors the feature extractor.

      Q⁻¹(q) ─┬─ deconv 3×3 ──┬─norm─┬─ deconv 3×3 ──┬─norm─ · · · ─┬─ deconv 7×7 ↑4 ──┬─► x_hat
              └─ interpolate ─┘      └─ interpolate ─┘              └─ 1×1, interpol. ─┘

Each stage passes its input on by two paths, a deconvolution and a plain
interpolation with a learned gain, and adds them.
"""

from __future__ import annotations

import tensorflow as tf

from deepsic.config import STAGES, ModelConfig
from models import quantiser
from models.features import PIXEL_SCALE, Gain, Gains, ResidualBlock
from models.normalisation import make_normalisation


class UpStage(tf.keras.layers.Layer):
    """One stage of the decoder: deconvolution plus interpolation, both `stride` times larger."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, gain: float, name: str
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.stride = stride
        self.deconv = tf.keras.layers.Conv2DTranspose(
            outputs, kernel, strides=stride, padding="same", name="deconv"
        )
        self.gain = Gain(gain, name="gain")
        # The interpolated path needs the stage's number of channels.
        self.project = (
            tf.keras.layers.Conv2D(outputs, 1, use_bias=False, name="project")
            if inputs != outputs
            else None
        )

    def of_constant(self, x: tf.Tensor) -> tf.Tensor:
        """What both paths add, inside, where every position is x, (inputs,); for stride 1."""
        plain = x if self.project is None else tf.einsum("ijlo,l->o", self.project.kernel, x)
        return tf.einsum("ijol,l->o", self.deconv.kernel, x) + self.gain(plain)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        # Projection and interpolation commute; this order is the cheaper one.
        plain = self.gain(x if self.project is None else self.project(x))
        if self.stride > 1:
            size = tf.shape(x)[1:3] * self.stride
            plain = tf.image.resize(plain, size, method="bilinear")
        return tf.cast(self.deconv(x), tf.float32) + plain


class Reconstruction(tf.keras.layers.Layer):
    """Dequantised features to the picture.

    Call with f_hat, float32 (N, h, w, latents) in (-1, 1), and, where the model knows
    several rates, `rate_index`, float32 (N,), 0 to gains - 1.
    Returns x_hat, float32 (N, h·stride, w·stride, 3), nominally 0–255, not clipped.
    """

    def __init__(self, config: ModelConfig, name: str = "reconstruction") -> None:
        super().__init__(name=name, dtype="float32")
        self.stages = []
        self.norms = []
        self.first_stages = config.first_stages
        self.rate_gains = (
            Gains(config.gains, config.latents, "rate_gains") if config.gains else None
        )
        self.blocks = [
            ResidualBlock(config.filters, f"block{i + 1}") for i in range(config.decoder_blocks)
        ]
        # What symbol 0 decodes to.
        self.middle = -0.5 / quantiser.half_levels(config.bits)
        inputs = config.latents
        for i in reversed(range(STAGES)):
            outputs = config.filters if i else 3
            self.stages.append(
                UpStage(
                    inputs,
                    outputs,
                    config.kernels[i],
                    config.strides[i],
                    config.skip_gain,
                    name=f"up{i + 1}",
                )
            )
            if i:
                self.norms.append(
                    make_normalisation(config.normalisation, inverse=True, name=f"norm{i + 1}")
                )
            inputs = outputs

    def call(
        self, f_hat: tf.Tensor, rate_index: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        return self.decode(self.unscaled(f_hat, rate_index), training)

    def unscaled(self, f_hat: tf.Tensor, rate_index: tf.Tensor | None = None) -> tf.Tensor:
        """Dequantised features behind the inverse gains, if there are any."""
        if self.rate_gains is None:
            return f_hat
        return self.rate_gains(f_hat - self.middle, rate_index)

    def decode(self, y: tf.Tensor, training: bool = False) -> tf.Tensor:
        """x_hat from what `unscaled` returns."""
        y = self._run_stages(y, range(len(self.stages)), training)
        return (y + 0.5) * PIXEL_SCALE

    def decode_first(self, y: tf.Tensor) -> tf.Tensor:
        """What the stages of stride 1 make of `unscaled` features, (N, h, w, filters)."""
        return self._run_stages(y, range(self.first_stages))

    def _run_stages(self, y: tf.Tensor, numbers: range, training: bool = False) -> tf.Tensor:
        for i in numbers:
            y = self.stages[i](y)
            if i < len(self.norms):
                y = self.norms[i](y, training=training)
            if i == 0:
                for block in self.blocks:
                    y = block(y)
        return y
