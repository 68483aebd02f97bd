"""DeepSIC in its two forms (section III, figure 2).

pre:   x ─► features ─f─► quantise ─q─► bits ═► bits ─► Q⁻¹(q) ─► reconstruction ─► x_hat
               └─f─► semantics ─► class ═════► class

post:  x ─► features ─f─► quantise ─q─► bits ═► bits ─► Q⁻¹(q) ─► reconstruction ─► x_hat
                                                          └─► semantics ─► class
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import tensorflow as tf

from deepsic.config import PARTS, ModelConfig
from models import quantiser
from models.context_rate import ContextRate
from models.features import FeatureExtractor
from models.rate import FactorisedPrior
from models.reconstruction import Reconstruction
from models.semantics import make_head


class Outputs(NamedTuple):
    """One pass through the model.

    Attributes:
      x_hat: float32 (N, H, W, 3), nominally 0–255.
      bits: float32 (N,), rate of the features under the prior.
      logits: float32 (N, classes).
    """

    x_hat: tf.Tensor
    bits: tf.Tensor
    logits: tf.Tensor


class DeepSIC(tf.keras.Model):
    """The networks of one model; `config.arch` says where the head stands.

    Args:
      config: of the model.
      rate: what measures R in training: `marginal`, eq. 5's densities of single channels, or
        `context`, densities that know what the coder knows (`models.context_rate`).

    Attributes:
      features, reconstruction, semantics, prior: the four parts.
      rate: see above.
    """

    def __init__(self, config: ModelConfig, rate: str = "marginal") -> None:
        super().__init__(name="deepsic", dtype="float32")
        self.config, self.rate = config, rate
        self.features = FeatureExtractor(config)
        self.prior = (
            FactorisedPrior(config.latents)
            if rate == "marginal"
            else ContextRate(config.latents, config.gains)
        )
        self.reconstruction = Reconstruction(config)
        self.semantics = make_head(config)

    def create_variables(self) -> None:
        """Makes every variable, by one pass over a small picture."""
        side = 8 * self.config.stride
        self(tf.zeros((1, side, side, 3)), rate_index=tf.zeros(1))

    def seen(self, x: tf.Tensor, rate_index: tf.Tensor | None = None) -> tf.Tensor:
        """What the head sees of pictures (N, H, W, 3): float features, or dequantised ones."""
        z = self.features.centred(x)
        f = self.features.bounded(z, rate_index)
        return self._seen(z, f, self.restore(self.symbols(f)), rate_index)

    def _seen(
        self, z: tf.Tensor, f: tf.Tensor, f_hat: tf.Tensor, rate_index: tf.Tensor | None
    ) -> tf.Tensor:
        """Where there are gains, the head sees features that no step has scaled."""
        if self.config.arch == "pre":
            y = z if self.config.gains else f
        else:
            gains = self.config.gains
            y = self.reconstruction.unscaled(f_hat, rate_index) if gains else f_hat
        return self.reconstruction.decode_first(y) if self.config.head_input == "decoder" else y

    def symbols(self, f: tf.Tensor) -> tf.Tensor:
        """q of eq. 1, int32, from f; both (N, h, w, latents)."""
        return quantiser.quantise(quantiser.to_steps(f, self.config.bits), self.config.bits)

    def restore(self, q: tf.Tensor) -> tf.Tensor:
        """Q⁻¹: symbols, int32, to dequantised features in (-1, 1)."""
        return quantiser.dequantise(q) / quantiser.half_levels(self.config.bits)

    def call(
        self,
        x: tf.Tensor,
        rate_index: tf.Tensor | None = None,
        training: bool = False,
        seed: tf.Tensor | None = None,
        surrogate: str = "noise",
        parts: Collection[str] = PARTS,
    ) -> Outputs:
        """Compresses without coding: the rate is estimated by the prior.

        Args:
          x: float32 (N, H, W, 3) in 0–255, sides multiples of the stride.
          rate_index: float32 (N,), 0 to gains - 1; needed where the model knows several rates.
          training: quantise with a surrogate that has a gradient.
          seed: int (2,), of the noise; needed in training.
          surrogate: what the decoder sees in training: `noise`, the noisy
            features that the rate is measured on, `mixed`, the quantised ones with
            a straight-through gradient, or `soft`: `mixed`, and what the rate is
            measured on is rounded softly before the noise.
          parts: those that learn. In training, what none of them needs is left
            out: without the head the logits are zeros, with the head alone
            x_hat is x and the bits are zeros.
        """
        z = self.features.centred(x, training=training and "features" in parts)
        f = self.features.bounded(z, rate_index)
        bits = self.config.bits
        y = quantiser.to_steps(f, bits)
        if training:
            soft = quantiser.round_softly(y) if surrogate == "soft" else y
            y_rate = quantiser.add_noise(soft, seed)
            y_ste = quantiser.straight_through(y, bits)
            y_hat = y_rate if surrogate == "noise" else y_ste
        else:
            y_ste = y_rate = y_hat = quantiser.dequantise(quantiser.quantise(y, bits))
        scale = float(quantiser.half_levels(bits))
        # A stream of its own: the noise takes the seed's.
        dropout = tf.random.experimental.stateless_fold_in(seed, 1) if training else None
        x_hat, rate = x, tf.zeros(tf.shape(x)[0])
        logits = tf.zeros((tf.shape(x)[0], self.config.classes))
        if not training or set(parts) - {"semantics"}:
            x_hat = self.reconstruction(y_hat / scale, rate_index, training=training)
            rate = self._rate(y_rate, rate_index)
        if not training or "semantics" in parts:
            logits = self.semantics(self._seen(z, f, y_ste / scale, rate_index), training, dropout)
        return Outputs(x_hat, rate, logits)

    def _rate(self, y: tf.Tensor, rate_index: tf.Tensor | None) -> tf.Tensor:
        return self.prior(y, rate_index) if isinstance(self.prior, ContextRate) else self.prior(y)
