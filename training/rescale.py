"""Wider or narrower quantiser steps for a trained model: the start at another rate.

The step that minimises R + λ1·D grows as 1/√λ1 (`training.initialise.quantiser_step`). The
features of a model that was trained at one λ1 are therefore too large for a smaller one, and
small learning rates take thousands of steps to shrink them. Here they are scaled at once, and
with them all that reads them, so that but for the quantiser the model does what it did.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from models import quantiser
from models.deepsic import DeepSIC
from models.features import FeatureExtractor
from models.reconstruction import UpStage
from models.weights import named_variables


def rescale(model: DeepSIC, factor: float) -> None:
    """Multiplies the features by a factor, around the middle of the bin (-1, 0], in place.

    Large features, which the bound bends, are only about right behind it.

    Args:
      model: with its variables made; its last stage must not subsample, and its head is the
        paper's.
      factor: √(new λ1 / old λ1).

    Raises:
      ValueError: if the factor is not positive, or the model is of another kind.
    """
    if not 0.0 < factor < np.inf:
        raise ValueError(f"features cannot be scaled by {factor:g}, only by more than 0.")
    if model.config.strides[-1] != 1:
        raise ValueError("features can only be scaled where the last stage has stride 1.")
    if model.config.head != "paper":
        raise ValueError("features cannot be scaled under a pretrained head.")
    middle = -0.5 / quantiser.half_levels(model.config.bits)
    _scale_features(model.features, factor)
    _scale_decoder(model.reconstruction.stages[0], factor, middle)
    _scale_prior(named_variables(model), factor, -0.5)
    _scale_head(model.semantics.even, factor, middle)


def _scale_features(features: FeatureExtractor, factor: float) -> None:
    norm, conv = features.norms[-1], features.convs[-1]
    last = (conv.kernel, conv.bias) if norm is None else (norm.gamma, norm.beta)
    for variable in (*last, features.centre.median):
        variable.assign(factor * variable)


def _scale_decoder(stage: UpStage, factor: float, middle: float) -> None:
    """Both paths of the first stage see f' = factor·(f - middle) + middle in place of f."""
    shift = tf.fill(stage.deconv.kernel.shape[-1:], middle - middle / factor)
    stage.deconv.bias.assign_add(stage.of_constant(shift))
    for variable in (stage.deconv.kernel, stage.gain.gain):
        variable.assign(variable / factor)


def _scale_prior(variables: dict, factor: float, middle: float) -> None:
    """The density's first layer, softplus(matrix)·y + bias, sees y' in place of y."""
    matrix, bias = (variables[f"prior/{k}_0"] for k in ("matrix", "bias"))
    slope = np.logaddexp(0.0, matrix.numpy().astype(np.float64))
    bias.assign_add(slope * (middle - middle / factor))
    slope = slope / factor
    matrix.assign(slope + np.log(-np.expm1(-slope)))  # softplus backwards


def _scale_head(even: tf.keras.layers.BatchNormalization, factor: float, middle: float) -> None:
    """The head begins with a normalisation, whose epsilon is not small beside features."""
    spread = tf.sqrt(even.moving_variance + even.epsilon)
    even.moving_mean.assign(factor * (even.moving_mean - middle) + middle)
    even.moving_variance.assign(factor**2 * even.moving_variance)
    even.gamma.assign(even.gamma * tf.sqrt(even.moving_variance + even.epsilon) / (factor * spread))
