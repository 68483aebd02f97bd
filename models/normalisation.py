"""What stands at the end of a stage: batch normalisation (the paper's) or GDN (Ballé 2017)."""

from __future__ import annotations

import tensorflow as tf

from deepsic.config import Normalisation
from models import replicas


class BatchNormalization(tf.keras.layers.BatchNormalization):
    """Keras' layer with the statistics of the global batch, not of one replica's share.

    Keras has that as well (`synchronized`), but without Bessel's correction, which the layer
    makes for one device, and by a difference of squares, which loses digits.
    """

    def add_weight(self, *args, **options):
        if options.get("trainable") is False:  # the moving statistics
            options |= replicas.ALIKE
        return super().add_weight(*args, **options)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalises x, float32 (N, h, w, channels)."""
        if not training or replicas.count() == 1:
            return super().call(x, training=training)
        axes = (0, 1, 2)
        mean = replicas.mean(tf.reduce_mean(x, axes))
        variance = replicas.mean(tf.reduce_mean(tf.math.squared_difference(x, mean), axes))
        places = tf.cast(tf.reduce_prod(tf.shape(x)[:3]) * replicas.count(), tf.float32)
        unbiased = variance * places / tf.maximum(places - 1.0, 1.0)
        decay = 1.0 - self.momentum
        self.moving_mean.assign_sub(decay * (self.moving_mean - mean))
        self.moving_variance.assign_sub(decay * (self.moving_variance - unbiased))
        return tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, self.epsilon)


class LeakyBatch(tf.keras.layers.Layer):
    """A leaky ReLU and a batch normalisation."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.batch = BatchNormalization(dtype="float32", momentum=0.99, name="batch")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.batch(tf.nn.leaky_relu(x, 0.2), training=training)


@tf.custom_gradient
def _at_least(x: tf.Tensor, bound: tf.Tensor):
    """max(x, bound), whose gradient still pulls x up where x is below the bound."""

    def gradient(dy: tf.Tensor):
        return tf.where((x >= bound) | (dy < 0), dy, 0.0), None

    return tf.maximum(x, bound), gradient


class GDN(tf.keras.layers.Layer):
    """Generalised divisive normalisation with |x| in place of x² (Johnston 2019).

        y_i = x_i / (β_i + Σ_j γ_ij |x_j|)

    β and γ stay positive: what learns are the roots of β + ε² and γ + ε², ε = 2⁻¹⁸, as
    in Ballé 2017.

    Args:
      inverse: multiply instead of divide, for the decoder.
      name: of the layer.
    """

    PEDESTAL = 2.0**-36
    LEAST_BETA = 1e-6

    def __init__(self, inverse: bool, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.inverse = inverse

    def build(self, shape) -> None:
        channels = shape[-1]
        eye = 0.1 * tf.eye(channels)
        self.beta = self.add_weight(
            "reparam_beta", (channels,), initializer=_root_of(tf.ones(channels))
        )
        self.gamma = self.add_weight(
            "reparam_gamma", (channels, channels), initializer=_root_of(eye)
        )

    def parameters(self) -> tuple[tf.Tensor, tf.Tensor]:
        """γ, (channels, channels), whose rows are the inputs, and β, (channels,)."""
        return _positive(self.gamma, 0.0), _positive(self.beta, self.LEAST_BETA)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        gamma, beta = self.parameters()
        norm = tf.nn.conv2d(tf.abs(x), gamma[None, None], 1, "VALID") + beta
        return x * norm if self.inverse else x / norm


def _positive(root: tf.Variable, least: float) -> tf.Tensor:
    """The parameter whose root learns."""
    bound = tf.constant((least + GDN.PEDESTAL) ** 0.5)
    return tf.square(_at_least(tf.convert_to_tensor(root), bound)) - GDN.PEDESTAL


def _root_of(value: tf.Tensor):
    """An initialiser: what learns where the parameter is to be `value`."""
    return lambda shape, dtype=None, **_: tf.sqrt(tf.maximum(value, 0.0) + GDN.PEDESTAL)


def make_normalisation(
    kind: Normalisation, inverse: bool = False, name: str = "norm"
) -> tf.keras.layers.Layer:
    """The non-linear end of a stage.

    Args:
      kind: `batch` is a leaky ReLU and a batch normalisation, as the paper has
        it; `gdn` is one generalised divisive normalisation, which is
        non-linear by itself.
      inverse: GDN that multiplies, for the decoder.
      name: of the layer.
    """
    return LeakyBatch(name) if kind == "batch" else GDN(inverse, name)
