"""What an encoder may spend beyond rounding features: refinement of symbols, by tiles."""

from __future__ import annotations

import contextvars
import functools
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deepsic.coding.interlace import PASSES
from deepsic.coding.prices import Pricer
from deepsic.distortion import squared_error
from deepsic.errors import ModelError
from deepsic.refine import PLANS, Measures, refine
from deepsic.targets import EFFORTS
from deepsic.tiling import tiles

if TYPE_CHECKING:
    from deepsic.codec import Analysis, Codec

# Among the weights of a codec: see `training.curvature`.
CURVATURE = "reconstruction/curvature"
# Side of a tile, pixels; small, as refinement holds several arrays of its size.
TILE_PIXELS = 768
# How often the coder's passes repeat, cells.
PERIOD = PASSES[0].dy
# One step that promises so large a share of a file's bits, at no more than so many bits' worth of
# error for each, serves R + λ1·D surely: of what it promised, two fifths or more came true.
CLEAR_SAVING, CLEAR_ERROR = 0.01, 0.3
# Is told how many gradients of how many are done, where a command shows it.
watcher: contextvars.ContextVar[Callable[[int, int], None] | None] = contextvars.ContextVar(
    "watcher", default=None
)


def check(effort: int | None) -> None:
    """Raises ValueError for what is neither None nor one of EFFORTS."""
    if effort is not None and effort not in EFFORTS:
        raise ValueError(f"effort is one of {', '.join(map(str, EFFORTS))}, not {effort!r}.")


class Promise(NamedTuple):
    """Refined symbols, and what the last step promises of them against those before it.

    Attributes:
      q: the symbols.
      bits, error: how many more, and how much squared error more.
    """

    q: np.ndarray
    bits: float
    error: float


def better(codec: Codec, analysis: Analysis, effort: int) -> tuple[np.ndarray, bytes]:
    """Refined symbols and their payload, or the plain ones if R + λ1·D is less with them.

    Both are compared, but where one step promises so much that the refined ones surely serve
    better (`_is_clear`).

    Args:
      codec, analysis, effort: see `refined_symbols`.
    """
    promise = refined_symbols(codec, analysis, effort)
    refined = promise.q
    refined_payload = codec.coder.encode(refined)
    # In a grey picture the decoder's error is not what the gradient knows.
    one_step = len(PLANS[effort].temperatures) == 1 and not PLANS[effort].rounds
    if one_step and not analysis.grey and _is_clear(codec, promise, refined_payload):
        return refined, refined_payload
    q = codec.symbols(analysis.f)
    payload = codec.coder.encode(q)
    if cost(codec, analysis, refined, refined_payload) < cost(codec, analysis, q, payload):
        return refined, refined_payload
    return q, payload


def _is_clear(codec: Codec, promise: Promise, payload: bytes) -> bool:
    """Whether refined symbols are so surely better that the plain ones need not be tried."""
    worth = codec.folder.get_lambda1(codec.step) / 3 * promise.error
    saved = -promise.bits
    return saved > CLEAR_SAVING * 8 * len(payload) and worth < CLEAR_ERROR * saved


def refined_symbols(codec: Codec, analysis: Analysis, effort: int) -> Promise:
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
    measures = Measures(
        curvature * scale**2,
        Pricer(codec.coder).prices,
        (quantiser.lowest, quantiser.half),
        codec.folder.get_lambda1(codec.step),
    )
    x, f = codec.transforms.pad(analysis.rgb), analysis.f
    rows, columns, _ = f.shape
    q = np.empty(f.shape, quantiser.dtype)
    bits = error = 0.0
    # The coder's passes lie in a tile as in the picture. The decoder looks no farther around.
    margin = -(-codec.transforms.margin // PERIOD) * PERIOD
    areas = list(tiles(rows, columns, TILE_PIXELS // stride, margin))
    tell = _teller(len(areas) * plan.gradients)
    for inside, outside, within in areas:
        pixels = tuple(slice(s.start * stride, s.stop * stride) for s in outside)
        gradient = functools.partial(_gradient, codec, x[pixels].astype(np.float32), scale, tell)
        v = quantiser.to_steps(f[outside]) + np.float32(0.5)
        found = refine(v, gradient, measures, plan)
        q[inside] = found.q[within]
        bits += float(found.bits[within].sum())
        error += float(found.error[within].sum())
    return Promise(q, bits, error)


def _teller(count: int) -> Callable[[], None]:
    """What is called after each of so many gradients: it tells `watcher`, if there is one."""
    watch, done = watcher.get(), itertools.count(1)
    return lambda: None if watch is None else watch(next(done), count)


def _gradient(
    codec: Codec, x: np.ndarray, scale: np.ndarray, tell: Callable[[], None], q: np.ndarray
) -> np.ndarray:
    """Half the gradient of the squared error with respect to symbols (`refine.Gradient`)."""
    y = codec.quantiser.dequantise(q)
    found = codec.runtime.gradient(y[None], x[None])[0] * (scale / 2)
    tell()
    return found


def cost(codec: Codec, analysis: Analysis, q: np.ndarray, payload: bytes) -> float:
    """R + λ1·D of eq. 4 for one picture, in bits: 8·bytes + λ1/3·squared error."""
    height, width = analysis.rgb.shape[:2]
    error = squared_error(analysis.rgb, codec.reconstruct(q, height, width, analysis.grey))
    return 8 * len(payload) + codec.folder.get_lambda1(codec.step) / 3 * error
