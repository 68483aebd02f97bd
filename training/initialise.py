"""A start for the networks that already compresses: a linear block transform.

Instead of random kernels, the feature extractor begins as the orthonormal block
transform of older codecs, and the reconstruction as its transpose: each stage's
kernel holds, in its middle, a DCT of stride×stride blocks (stage 1 after a
colour rotation), and the last one scales to quantiser steps. Channels beyond
`filters` are dropped by variance. Small noise elsewhere breaks the symmetry.
Training from here is several times ahead of random initialisation early on.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from deepsic.config import STAGES
from models import quantiser
from models.deepsic import DeepSIC
from models.features import PIXEL_SCALE

# Rows: luma and two opponent colours, orthonormal.
COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32)
COLOURS /= np.linalg.norm(COLOURS, axis=1, keepdims=True)

NOISE = 0.1
# The share of the quantiser's range that a channel fills at most, where the bound is straight.
USED_RANGE = 0.6


def dct_matrix(n: int) -> np.ndarray:
    """The orthonormal DCT-II of n points, (n, n), a row for each frequency."""
    k, i = np.mgrid[:n, :n]
    rows = np.cos(np.pi * k * (2 * i + 1) / (2 * n)) * np.sqrt(2.0 / n)
    rows[0] /= np.sqrt(2.0)
    return rows.astype(np.float32)


def block_kernel(stride: int, mixing: np.ndarray) -> np.ndarray:
    """The block transform as a convolution's kernel.

    Args:
      stride: block side n.
      mixing: (channels, outputs of one frequency).

    Returns:
      (n, n, channels, n·n·outputs), orthonormal if `mixing` is.
    """
    d = dct_matrix(stride)
    kernel = np.einsum("ui,vj,ck->ijcuvk", d, d, mixing)
    return kernel.reshape(stride, stride, mixing.shape[0], -1)


def _transform(y: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    n = kernel.shape[0]
    b, h, w, c = y.shape
    blocks = y.reshape(b, h // n, n, w // n, n, c)
    return np.einsum("bhiwjc,ijck->bhwk", blocks, kernel, optimize=True)


def quantiser_step(lambda1: float) -> float:
    """The step in grey levels that minimises R + λ1·D for a uniform quantiser at high rate.

    D = Δ²/12 for each coefficient and dR/dD = -1 / (2 ln 2 D), hence Δ² = 6 / (λ1 ln 2).
    """
    return float(np.sqrt(6.0 / (lambda1 * np.log(2.0))))


def linear_block_transform(model: DeepSIC, x: np.ndarray, lambdas: np.ndarray, seed: int) -> None:
    """Sets the kernels of the two transforms, in place.

    Args:
      model: with its variables made, of GDN normalisation.
      x: float32 (N, H, W, 3) in 0–255, pictures to measure variances on.
      lambdas: (rates,), λ1 of eq. 4, which decides the quantiser's step at each rate.
      seed: of the noise.

    Raises:
      ValueError: for batch normalisation, whose scale has no fixed meaning here.
    """
    config = model.config
    if config.normalisation != "gdn":
        raise ValueError("the linear start needs --normalisation=gdn.")
    rng = np.random.default_rng(seed)
    # In the middle of the rates.
    lambda1 = float(np.exp(np.log(lambdas).mean()))
    step = quantiser_step(lambda1) / PIXEL_SCALE * quantiser.half_levels(config.bits)
    y = x.astype(np.float32) / PIXEL_SCALE - 0.5
    for i in range(STAGES):
        last = i == STAGES - 1
        mixing = COLOURS.T if i == 0 else np.eye(y.shape[-1], dtype=np.float32)
        kernel = block_kernel(config.strides[i], mixing)
        y = _transform(y, kernel)
        room = config.latents if last else config.filters
        keep = np.argsort(-y.var(axis=(0, 1, 2)), kind="stable")[:room]
        kernel, y = kernel[..., keep], y[..., keep]
        up = model.reconstruction.stages[STAGES - 1 - i].deconv
        scale = step if last and not config.gains else 1.0
        _place(model.features.convs[i].kernel, kernel / scale, rng)
        _place(up.kernel, kernel * scale, rng)
    if config.gains:
        # Symbol 0 is zero behind the decoder's gains.
        return _start_gains(model, np.abs(y).max(axis=(0, 1, 2)), np.sqrt(lambdas / lambda1) / step)
    # Symbol 0 stands for the bin (-1, 0], whose middle is what zero decodes to.
    half_step = 0.5 / quantiser.half_levels(config.bits)
    first = model.reconstruction.stages[0].deconv
    shift = tf.reduce_sum(first.kernel, axis=(0, 1, 3)) if config.strides[-1] == 1 else 0.0
    first.bias.assign(half_step * shift * tf.ones_like(first.bias))


def _start_gains(model: DeepSIC, largest: np.ndarray, gain: np.ndarray) -> None:
    """One gain for all channels of a rate, but for those that would leave the quantiser's range.

    Args:
      model: whose gains are set.
      largest: (latents,), of each channel's features before its gain.
      gain: (rates,), 1 over the quantiser's step.
    """
    gains = np.minimum(gain[:, None], USED_RANGE / np.maximum(largest, 1e-6))
    for part, log_gain in ((model.features, np.log(gains)), (model.reconstruction, -np.log(gains))):
        assert part.rate_gains is not None
        part.rate_gains.log_gain.assign(log_gain)


def _place(variable: tf.Variable, kernel: np.ndarray, rng: np.random.Generator) -> None:
    """Writes `kernel` into the middle of a larger one, over weak Glorot noise."""
    k, _, rows, columns = variable.shape
    n, _, c, outputs = kernel.shape
    limit = NOISE * np.sqrt(6.0 / (k * k * (rows + columns)))
    full = rng.uniform(-limit, limit, variable.shape).astype(np.float32)
    start = (k - n) // 2  # where "same" padding aligns the block
    full[start : start + n, start : start + n, :c, :outputs] += kernel
    variable.assign(full)
