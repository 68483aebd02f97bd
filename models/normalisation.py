"""What stands at the end of a stage: batch normalisation (the paper's) or GDN (Ballé 2017)."""

from __future__ import annotations

import tensorflow as tf

from deepsic.config import Normalisation


class LeakyBatch(tf.keras.layers.Layer):
    """A leaky ReLU and a batch normalisation."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.batch = tf.keras.layers.BatchNormalization(momentum=0.99, name="batch")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.batch(tf.nn.leaky_relu(x, 0.2), training=training)


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
    if kind == "batch":
        return LeakyBatch(name)
    # Imported here: batch-normalised networks work without the package.
    import tensorflow_compression as tfc

    return tfc.GDN(inverse=inverse, name=name)
