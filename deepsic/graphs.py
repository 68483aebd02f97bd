"""Networks as LiteRT runs them: graphs without weights, into which the weights are put.

A model's weights are stored once, by name (`weights.npz`). Beside them stand the graphs that
were made of its networks, with zeros where large arrays of weights were, and a list of which
weights belong there and in which layout:

    graphs.npz   uint8 arrays, one a graph: a .tflite file
    graphs.json  {"version": 1, "features": [[offset, "features/conv1/kernel", "conv"], …], …}

A batch normalisation right behind a convolution is part of it when it runs; the slot then names
both: [offset, "semantics/block1/conv/kernel", "conv", "semantics/block1/batch"]. Whatever is no
weight in one of the layouts stays in the graph.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

VERSION = 1
# Offset in the graph, name of the weights, their layout, and perhaps the normalisation behind.
Slot = tuple[int, str, str] | tuple[int, str, str, str]
# Smaller arrays stay in the graph.
LEAST_SIZE = 512
# What Keras adds to a variance.
EPSILON = 1e-3
# What residual blocks add of what their second convolution finds; LiteRT works it into the kernel.
BLOCK_SHARE = 0.1


def convolution(kernel: np.ndarray) -> np.ndarray:
    """A kernel (height, width, inputs, outputs) as LiteRT has it: outputs first."""
    return kernel.transpose(3, 0, 1, 2)


def subpixel(kernel: np.ndarray, stride: int) -> np.ndarray:
    """A transposed convolution as a plain one, before `depth_to_space`.

    The output at stride·i + p is a sum over inputs i - d, each times the tap
    stride·d + p + (k - stride)//2 of the kernel; so every phase p of the outputs gets
    channels of its own, with the taps that reach it.

    Args:
      kernel: (k, k, outputs, inputs), of a transposed convolution with "same" padding.
      stride: of that.

    Returns:
      (n, n, inputs, stride·stride·outputs), for a convolution of stride 1 with "same" padding.
    """
    k, _, outputs, inputs = kernel.shape
    before = (k - stride) // 2
    taps = [
        (p, d, stride * d + p + before)
        for p in range(stride)
        for d in range(-k, k + 1)
        if 0 <= stride * d + p + before < k
    ]
    reach = max(abs(d) for _, d, _ in taps)
    n = 2 * reach + 1
    plain = np.zeros((n, n, inputs, stride, stride, outputs), kernel.dtype)
    for py, dy, y in taps:
        for px, dx, x in taps:
            plain[reach - dy, reach - dx, :, py, px] = kernel[y, x].T
    return plain.reshape(n, n, inputs, -1)


def gdn_parameter(root: np.ndarray) -> np.ndarray:
    """γ of a generalised divisive normalisation, from what is learned in its place.

    That is the root of γ + 2⁻³⁶, as in Ballé 2017.
    """
    return np.square(np.maximum(root, np.float32(2.0**-18))) - np.float32(2.0**-36)


def turned(kernel: np.ndarray) -> np.ndarray:
    """The kernel of the gradient of a plain convolution, (height, width, outputs, inputs)."""
    return kernel[::-1, ::-1].transpose(0, 1, 3, 2)


def _shared(kernel: np.ndarray) -> np.ndarray:
    return convolution(kernel) * np.float32(BLOCK_SHARE)


def _subpixel(kernel: np.ndarray, stride: int) -> np.ndarray:
    return convolution(subpixel(kernel, stride))


def _subpixel_turned(kernel: np.ndarray, stride: int) -> np.ndarray:
    return convolution(turned(subpixel(kernel, stride)))


# From weights as they are stored to weights as a graph wants them.
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "same": lambda a: a,
    "conv": convolution,
    "dense": lambda a: a.T,
    "gdn": lambda a: gdn_parameter(a).T,
    "gdn turned": gdn_parameter,
    "conv turned": lambda a: convolution(turned(a)),
    "conv share": _shared,
    "conv share turned": lambda a: _shared(turned(a)),
    **{f"subpixel{s}": functools.partial(_subpixel, stride=s) for s in (1, 2, 4)},
    **{f"subpixel{s} turned": functools.partial(_subpixel_turned, stride=s) for s in (1, 2, 4)},
}


def normalisation(weights: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """A batch normalisation as a factor and a summand for each channel, float32."""
    gamma, beta, mean, variance = (
        weights[f"{name}/{part}"].astype(np.float32)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    factor = gamma / np.sqrt(variance + np.float32(EPSILON))
    return factor, beta - mean * factor


def fold(kernel: np.ndarray, weights: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """A kernel, float32, with the normalisation behind it worked in."""
    return kernel * normalisation(weights, name)[0]


def take_out(
    graph: bytes, weights: Mapping[str, np.ndarray], folded: Mapping[str, str]
) -> tuple[bytes, list[Slot]]:
    """Replaces weights that a graph holds by zeros.

    Args:
      graph: a .tflite file, with weights in float32.
      weights: float16, by name.
      folded: from names of kernels to those of the normalisations worked into them.

    Returns:
      The graph without them, and where they go.
    """
    empty, slots = bytearray(graph), []
    for name, array in weights.items():
        if array.size < LEAST_SIZE or not array.any():
            continue
        behind = (folded[name],) if name in folded else ()
        for layout in _layouts_of(array):
            data = _data(weights, name, layout, *behind)
            while (at := empty.find(data)) >= 0:
                empty[at : at + len(data)] = bytes(len(data))
                slots.append((at, name, layout, *behind))
    return bytes(empty), slots


def _data(weights: Mapping[str, np.ndarray], name: str, layout: str, *behind: str) -> bytes:
    stored = weights[name]
    if stored.dtype != np.float16 or not np.isfinite(stored).all():
        raise ValueError(f"the weights {name} are of no use")
    array = stored.astype(np.float32)
    return LAYOUTS[layout](fold(array, weights, *behind) if behind else array).tobytes()


def _layouts_of(array: np.ndarray) -> list[str]:
    if array.ndim == 4:
        # "same" is the layout of depthwise kernels.
        kinds = ["conv", "conv share", "subpixel1", "subpixel2", "subpixel4"]
        return [*kinds, "same", *(f"{kind} turned" for kind in kinds)]
    return ["same", "dense", "gdn", "gdn turned"] if array.ndim == 2 else ["same"]


def put_in(graph: bytes, slots: Sequence[Any], weights: Mapping[str, np.ndarray]) -> bytes:
    """The inverse of `take_out`.

    Raises:
      ValueError, KeyError, TypeError: if the slots do not fit graph and weights.
    """
    whole = bytearray(graph)
    for at, name, *how in slots:
        data = _data(weights, name, *how)
        if type(at) is not int or not 0 <= at <= len(whole) - len(data):
            raise ValueError(f"the weights {name} have no place in the graph")
        whole[at : at + len(data)] = data
    return bytes(whole)
