"""What stands at the end of a stage: batch normalisation (the paper's) or GDN (Ballé 2017)."""

from __future__ import annotations

import tensorflow as tf

from models.config import Normalisation


def make_normalisation(
    kind: Normalisation, inverse: bool = False, name: str = "norm"
) -> tf.keras.Sequential:
    """The non-linear end of a stage.

    Args:
      kind: `batch` is a leaky ReLU and a batch normalisation, as the paper has
        it; `gdn` is one generalised divisive normalisation, which is
        non-linear by itself.
      inverse: GDN that multiplies, for the decoder.
      name: of the layer.
    """
    layers: list[tf.keras.layers.Layer]
    if kind == "gdn":
        # Imported here: batch-normalised networks work without the package.
        import tensorflow_compression as tfc

        layers = [tfc.GDN(inverse=inverse, name="gdn")]
    else:
        layers = [
            tf.keras.layers.LeakyReLU(0.2, name="relu"),
            tf.keras.layers.BatchNormalization(momentum=0.99, name="batch"),
        ]
    return tf.keras.Sequential(layers, name=name)
