"""Everything the entropy coder knows beforehand, in integers: a model's coding tables."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import zipfile

import numpy as np

from models.coding.bitplanes import LEVELS, NODES, Trees
from models.coding.interlace import PASSES, TAPS

# Fixed-point scales, as powers of two.
HIDDEN_BITS = 5  # hidden units count in 1/32, 0–255
VALUE_BITS = 2  # what is known of a symbol counts in 1/4
REST_BITS = 4  # the predictor's rest counts in 1/16
PREDICTOR_BITS = 8  # its weights count in 1/256
BELIEF_BITS = 4  # logits are tabled in 1/16
BELIEFS = 512
SUM_BITS = 12  # sums of the second and third layer count in 1/4096
DENSE_PLANES = 3  # planes whose nodes have weights of their own
HIDDEN_MAX = 255
CAP = 63  # of a neighbour's value
REST_CAP = 127
# float32 adds integers without rounding below this.
EXACT = 1 << 24


class InexactTables(ValueError):
    """Sums could leave the range in which float32 counts exactly."""


@dataclasses.dataclass(frozen=True)
class Tables:
    """Integers that decide every probability. Arrays of whole numbers:

    Attributes:
      centre: (channels,) level that a channel has most often.
      cap: (channels,) bound of |value| as a neighbour.
      wide: (channels,) 1 where symbols are coded as residuals of a prediction.
      predictor: for each pass (taps, channels).
      spatial: for each pass (taps·(2·channels + 1), hidden), of the known
        neighbours' values, magnitudes and presence.
      spatial_shift: for each pass, the power of two that brings sums to HIDDEN_BITS.
      spatial_bias: (passes, hidden).
      inner: (planes, hidden, hidden); `known`: (planes, 2·channels, hidden);
      inner_bias: (passes, planes, hidden), for planes 0–2 and the deep ones.
      outer: for planes 0–2 (hidden, channels·2^plane), then (hidden, channels).
      rest: (planes, channels), weight of the predictor's rest.
      node_bias: (channels, 63).
      node_mean, node_size: (channels, 127); expected residual and magnitude at
        each node, then at each level.
      histogram: (channels, 64) counts, for ranges and for comparison.
      trees: the binary trees.
    """

    centre: np.ndarray
    cap: np.ndarray
    wide: np.ndarray
    predictor: tuple[np.ndarray, ...]
    spatial: tuple[np.ndarray, ...]
    spatial_shift: np.ndarray
    spatial_bias: np.ndarray
    inner: np.ndarray
    known: np.ndarray
    inner_bias: np.ndarray
    outer: tuple[np.ndarray, ...]
    rest: np.ndarray
    node_bias: np.ndarray
    node_mean: np.ndarray
    node_size: np.ndarray
    histogram: np.ndarray
    trees: Trees

    @property
    def channels(self) -> int:
        """How many channels the symbols have."""
        return len(self.centre)
