"""Wider or narrower quantiser steps for a trained model: the start at another rate.

The step that minimises R + λ1·D grows as 1/√λ1 (`models.initialise.quantiser_step`). The
features of a model that was trained at one λ1 are therefore too large for a smaller one, and
small learning rates take thousands of steps to shrink them. Here they are scaled at once, and
with them all that reads them, so that but for the quantiser the model does what it did.
"""

from __future__ import annotations

import numpy as np

from models import quantiser
from models.deepsic import DeepSIC
from models.store import variables_of


def rescale(model: DeepSIC, factor: float) -> None:
    """Multiplies the features by a factor, around the middle of the bin (-1, 0], in place.

    Large features, which the bound bends, are only about right behind it.

    Args:
      model: with its variables made; its last stage must not subsample.
      factor: √(new λ1 / old λ1).

    Raises:
      ValueError: if the factor is not positive, or the last stage subsamples.
    """
    if factor <= 0.0:
        raise ValueError(f"features cannot be scaled by {factor:g}, only by more than 0.")
    if model.config.strides[-1] != 1:
        raise ValueError("features can only be scaled where the last stage has stride 1.")
    middle = -0.5 / quantiser.half_levels(model.config.bits)
    variables = variables_of(model)
    _scale_features(variables, factor, model.config.normalisation == "batch")
    _scale_decoder(variables, factor, middle, model.config.latents == model.config.filters)
    _scale_prior(variables, factor, -0.5)
    _scale_head(variables, factor, middle, model.semantics.even.epsilon)


def _scale_features(variables: dict, factor: float, batch: bool) -> None:
    last = ("norms/3/gamma", "norms/3/beta") if batch else ("convs/3/kernel", "convs/3/bias")
    for name in (*last, "centre/median"):
        variable = variables[f"features/{name}"]
        variable.assign(factor * variable)


def _scale_decoder(variables: dict, factor: float, middle: float, plain: bool) -> None:
    """Both paths of the first stage see f' = factor·(f - middle) + middle in place of f."""
    shift = middle - middle / factor
    kernel, bias, gain = (
        variables[f"reconstruction/stages/0/{k}"]
        for k in ("deconv/kernel", "deconv/bias", "gain/gain")
    )
    through = 1.0 if plain else variables["reconstruction/stages/0/project/kernel"].numpy().sum(2)
    lost = kernel.numpy().sum((0, 1, 3)) + gain.numpy() * np.ravel(through)
    bias.assign(bias + shift * lost)
    kernel.assign(kernel / factor)
    gain.assign(gain / factor)


def _scale_prior(variables: dict, factor: float, middle: float) -> None:
    """The density's first layer, softplus(matrix)·y + bias, sees y' in place of y."""
    matrix, bias = (variables[f"prior/density/_base/{k}/0"] for k in ("_matrices", "_biases"))
    slope = np.logaddexp(0.0, matrix.numpy().astype(np.float64))
    bias.assign(bias + slope * (middle - middle / factor))
    slope = slope / factor
    matrix.assign(slope + np.log(-np.expm1(-slope)))  # softplus backwards


def _scale_head(variables: dict, factor: float, middle: float, epsilon: float) -> None:
    """The head begins with a batch normalisation, whose epsilon is not small beside features."""
    gamma, mean, variance = (
        variables[f"semantics/even/{k}"] for k in ("gamma", "moving_mean", "moving_variance")
    )
    spread = np.sqrt(variance + epsilon)
    mean.assign(factor * (mean - middle) + middle)
    variance.assign(factor**2 * variance)
    gamma.assign(gamma * np.sqrt(variance + epsilon) / (factor * spread))
