"""What an encoder may spend beyond rounding features: refinement of symbols, by tiles."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from deepsic.distortion import squared_error
from deepsic.errors import ModelError
from deepsic.refine import PLANS, refine
from deepsic.targets import EFFORTS
from deepsic.tiling import tiles

if TYPE_CHECKING:
    from deepsic.codec import Analysis, Codec

# Among the weights of a codec: see `training.curvature`.
CURVATURE = "reconstruction/curvature"
# Side of a tile, pixels; small, as refinement holds several arrays of its size.
TILE_PIXELS = 768


def check(effort: int | None) -> None:
    """Raises ValueError for what is neither None nor one of EFFORTS."""
    if effort is not None and effort not in EFFORTS:
        raise ValueError(f"effort is one of {', '.join(map(str, EFFORTS))}, not {effort!r}.")


def better(
    codec: Codec, analysis: Analysis, q: np.ndarray, payload: bytes, effort: int
) -> tuple[np.ndarray, bytes]:
    """Refined symbols and their payload, or the plain ones if R + λ1·D is less with them.

    Args:
      codec, analysis, effort: see `refined_symbols`.
      q, payload: plain ones.
    """
    refined = refined_symbols(codec, analysis, effort)
    refined_payload = codec.coder.encode(refined)
    if cost(codec, analysis, refined, refined_payload) < cost(codec, analysis, q, payload):
        return refined, refined_payload
    return q, payload


def refined_symbols(codec: Codec, analysis: Analysis, effort: int) -> np.ndarray:
    """Symbols that serve R + λ1·D better than the plain ones, on the whole.

    Args:
      codec: of the model, at the step that is encoded at.
      analysis: of the picture.
      effort: one of EFFORTS, above 0.

    Raises:
      ModelError: if the model cannot refine.
    """
    curvature = codec.curvature
    if curvature is None:
        raise ModelError(f"{codec.folder.path}: the model has no gradient; it knows effort 0 only.")
    plan, stride = PLANS[effort], codec.config.stride
    quantiser = codec.quantiser
    # From a symbol to what the decoder is fed with.
    scale = quantiser.dequantise(np.ones(codec.config.latents, np.float32))
    scale = scale - quantiser.dequantise(np.zeros(codec.config.latents, np.float32))
    lambda1 = codec.folder.get_lambda1(codec.step)
    x, f = codec.transforms.pad(analysis.rgb), analysis.f
    rows, columns, _ = f.shape
    q = np.empty(f.shape, quantiser.dtype)
    # The decoder looks one margin around, and its gradient one more.
    for inside, outside, within in tiles(
        rows, columns, TILE_PIXELS // stride, 2 * codec.transforms.margin
    ):
        pixels = tuple(slice(s.start * stride, s.stop * stride) for s in outside)
        gradient = functools.partial(_gradient, codec, x[pixels].astype(np.float32), scale)
        v = quantiser.to_steps(f[outside]) + np.float32(0.5)
        v = refine(v, gradient, curvature * scale**2, codec.coder.tables, lambda1, plan)
        q[inside] = np.rint(v[within])
    return q


def _gradient(codec: Codec, x: np.ndarray, scale: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Half the gradient of the squared error with respect to symbols (`refine.Gradient`)."""
    y = codec.quantiser.dequantise(q)
    return codec.runtime.gradient(y[None], x[None])[0] * (scale / 2)


def cost(codec: Codec, analysis: Analysis, q: np.ndarray, payload: bytes) -> float:
    """R + λ1·D of eq. 4 for one picture, in bits: 8·bytes + λ1/3·squared error."""
    height, width = analysis.rgb.shape[:2]
    error = squared_error(analysis.rgb, codec.reconstruct(q, height, width, analysis.grey))
    return 8 * len(payload) + codec.folder.get_lambda1(codec.step) / 3 * error
