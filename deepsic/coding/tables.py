"""Everything the entropy coder knows beforehand, in integers: a model's coding tables.

The classifier runs in float32 on whole numbers. Sums of those are exact in any
order, on any device, while they stay below 2**24: `check_exact` proves it for
every input that can occur, from the weights alone.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping

import numpy as np

from deepsic.coding.bitplanes import Trees
from deepsic.coding.interlace import PASSES, TAPS

# Fixed-point scales, as powers of two.
HIDDEN_BITS = 5  # hidden units count in 1/32, from 0 to HIDDEN_MAX
VALUE_BITS = 2  # what is known of a symbol counts in 1/4, up to ±VALUE_MAX
REMAINDER_BITS = 4  # the predictor's remainder counts in 1/16, up to ±REMAINDER_MAX
PREDICTOR_BITS = 8  # its weights count in 1/256
LOGIT_BITS = 4  # logits are tabled in 1/16
PROBABILITIES = 512
HIDDEN_MAX = 255
VALUE_MAX = 127
REMAINDER_MAX = 127
# How many nodes of each plane have weights of their own: zero, sign, and what
# follows either sign. All deeper planes together are the last, whose nodes share theirs.
PLACES = (1, 1, 2, 1)
PLANES = len(PLACES)
# How far a channel's residuals go below and above zero in a picture, coarsely.
_REACHES = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128])
EXACT = 1 << 24
# Arrays that have other names in files, where names stay.
_STORED = {
    "clip": "cap",
    "predicted": "wide",
    "remainder": "rest",
    "remainder_size": "rest_size",
}


class InexactTables(ValueError):
    """Sums could leave the range in which float32 counts exactly."""


def reaches(levels: int) -> np.ndarray:
    """The reaches that a channel of so many levels can have; the last is half of them."""
    return _REACHES[levels // 2 >= _REACHES]


def places_of(trees: Trees) -> np.ndarray:
    """Which of its plane's weights each node has, int (channels, nodes)."""
    return ((trees.plane == 2) & (trees.low > trees.last_negative)).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Tables:
    """Integers that decide every probability.

    Attributes:
      centre: (channels,) the level that a channel has most often.
      clip: (channels,) bound of |value| as a neighbour; value = level - centre.
      predicted: (channels,) 1 where symbols are coded as residuals of a prediction.
      predictor: for each pass (taps, channels), in 1/2**PREDICTOR_BITS.
      spatial: for each pass (taps·(channels + 1), hidden): weights of each known
        neighbour's magnitudes and presence; spatial_bias (passes, hidden).
      inner: (PLANES, hidden, hidden); known: (PLANES, 2·channels, hidden);
        inner_bias: (passes, PLANES, hidden).
      outer: for each of PLANES (hidden, channels·places).
      turn: (channels,) in which turn plane 0 asks a channel, 0 to turns - 1. From the second on
        a turn has an inner layer of its own, which also knows what is zero of the turns before:
        turn_inner (turns - 1, hidden, hidden), turn_known (turns - 1, channels, hidden),
        turn_bias (passes, turns - 1, hidden).
      remainder, remainder_size: (PLANES, channels), weights of the predictor's remainder and of
        its magnitude.
      node_bias: (channels, nodes), in the scale of outer_bits of the node's plane.
      spatial_bits, inner_bits, turn_bits, outer_bits: (passes,), (PLANES,), (turns - 1,),
        (PLANES,): sums of that layer count in 1/2**bits.
      node_mean, node_size: (channels, nodes + levels): expected residual and magnitude at
        each node, then at each rank, in 1/2**VALUE_BITS.
      histogram: (channels, levels) counts of ranks in training.
      reach: (2·channels, reaches) counts of each channel's reach in the
        training pictures: below zero, then above.
      trees: the binary trees over ranks.
    """

    centre: np.ndarray
    clip: np.ndarray
    predicted: np.ndarray
    predictor: tuple[np.ndarray, ...]
    spatial: tuple[np.ndarray, ...]
    spatial_bias: np.ndarray
    inner: np.ndarray
    known: np.ndarray
    inner_bias: np.ndarray
    outer: tuple[np.ndarray, ...]
    turn: np.ndarray
    turn_inner: np.ndarray
    turn_known: np.ndarray
    turn_bias: np.ndarray
    remainder: np.ndarray
    remainder_size: np.ndarray
    node_bias: np.ndarray
    spatial_bits: np.ndarray
    inner_bits: np.ndarray
    turn_bits: np.ndarray
    outer_bits: np.ndarray
    node_mean: np.ndarray
    node_size: np.ndarray
    histogram: np.ndarray
    reach: np.ndarray
    trees: Trees

    def __post_init__(self) -> None:
        self._check_shapes()
        self._check_ranges()
        self.check_exact()

    @property
    def channels(self) -> int:
        """How many channels the symbols have."""
        return len(self.centre)

    @property
    def levels(self) -> int:
        """How many levels a symbol has: 2**B of eq. 1."""
        return self.trees.levels

    @property
    def lowest(self) -> int:
        """The smallest symbol: -31 for 64 levels."""
        return 1 - self.levels // 2

    @property
    def hidden(self) -> int:
        """Units of each hidden layer."""
        return self.inner.shape[-1]

    @property
    def turns(self) -> int:
        """In how many turns plane 0 asks."""
        return len(self.turn_inner) + 1

    def _check_shapes(self) -> None:
        c, h, n, later = self.channels, self.hidden, len(PASSES), self.turns - 1
        expected = {
            "centre": (c,),
            "clip": (c,),
            "predicted": (c,),
            "spatial_bias": (n, h),
            "inner": (PLANES, h, h),
            "known": (PLANES, 2 * c, h),
            "inner_bias": (n, PLANES, h),
            "turn": (c,),
            "turn_inner": (later, h, h),
            "turn_known": (later, c, h),
            "turn_bias": (n, later, h),
            "remainder": (PLANES, c),
            "remainder_size": (PLANES, c),
            "node_bias": (c, self.trees.nodes),
            "spatial_bits": (n,),
            "inner_bits": (PLANES,),
            "turn_bits": (later,),
            "outer_bits": (PLANES,),
            "node_mean": (c, self.trees.nodes + self.levels),
            "node_size": (c, self.trees.nodes + self.levels),
            "histogram": (c, self.levels),
            "reach": (2 * c, len(reaches(self.levels))),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")
        for number, taps in enumerate(TAPS):
            if self.predictor[number].shape != (len(taps), c):
                raise ValueError(f"predictor of pass {number} has the wrong shape")
            if self.spatial[number].shape != (len(taps) * (c + 1), h):
                raise ValueError(f"spatial layer of pass {number} has the wrong shape")
        if [o.shape for o in self.outer] != [(h, c * places) for places in PLACES]:
            raise ValueError("an outer layer has the wrong shape")
        if self.trees.channels != c:
            raise ValueError("trees and tables have different channels")

    def _check_ranges(self) -> None:
        """Tables of strangers must not ask for powers of two beyond a float's."""
        scales = [self.spatial_bits, self.inner_bits, self.turn_bits, self.outer_bits]
        scales = np.concatenate(scales)
        if (scales < -32).any() or (scales > 32).any() or (self.reach < 0).any():
            raise ValueError("a scale or a count is out of range")
        top = max(127, self.levels - 1)
        clips = (self.clip >= 0) & (self.clip <= top)
        if not np.isin(self.predicted, (0, 1)).all() or not clips.all():
            raise ValueError("a channel's settings are out of range")
        if (self.turn < 0).any() or (self.turn >= self.turns).any() or self.turns > self.channels:
            raise ValueError("a channel's turn is out of range")
        not_yet = self.turn >= np.arange(1, self.turns)[:, None]
        if self.turn_known[not_yet].any():
            raise ValueError("a turn knows what is asked later")

    def check_exact(self) -> None:
        """Proves that no sum can reach 2**24.

        Raises:
          InexactTables: if one could.
        """
        for number, taps in enumerate(TAPS):
            largest = np.tile(np.append(self.clip, 1), len(taps))
            self._bound(
                f"spatial {number}", self.spatial[number], largest, self.spatial_bias[number]
            )
            self._bound(
                "predictor", self.predictor[number], np.full(len(taps), self.levels - 1.0), 0
            )
        for plane in range(PLANES):
            weights = np.concatenate([self.inner[plane], self.known[plane]])
            largest = np.full(len(weights), float(VALUE_MAX))
            largest[: self.hidden] = HIDDEN_MAX
            bias = np.abs(self.inner_bias[:, plane]).max(axis=0)
            self._bound(f"inner {plane}", weights, largest, bias)
            weights = np.abs(self.remainder[plane]) + np.abs(self.remainder_size[plane])
            remainder = weights * REMAINDER_MAX
            node = np.abs(self.node_bias).max(axis=1)
            bias = np.repeat(remainder + node, PLACES[plane])
            largest = np.full(self.hidden, float(HIDDEN_MAX))
            self._bound(f"outer {plane}", self.outer[plane], largest, bias)
        for turn in range(self.turns - 1):
            weights = np.concatenate([self.turn_inner[turn], self.turn_known[turn]])
            largest = np.ones(len(weights))
            largest[: self.hidden] = HIDDEN_MAX
            bias = np.abs(self.turn_bias[:, turn]).max(axis=0)
            self._bound(f"turn {turn + 1}", weights, largest, bias)
        if np.abs(self.node_mean).max() > VALUE_MAX or np.abs(self.node_size).max() > VALUE_MAX:
            raise InexactTables("a node's value is out of range.")

    @staticmethod
    def _bound(name: str, weights: np.ndarray, largest: np.ndarray, bias) -> None:
        top = largest @ np.abs(weights.astype(np.float64)) + np.abs(bias)
        if top.size and top.max() >= EXACT:
            raise InexactTables(f"sums of layer {name} could reach {top.max():.0f}.")

    def to_bytes(self) -> bytes:
        """The tables as an .npz without pickles, every array of the smallest integer type."""
        arrays: dict[str, np.ndarray] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                arrays |= {f"{field.name}.{i}": v for i, v in enumerate(value)}
            elif field.name == "trees":
                arrays["trees.threshold"] = value.threshold
                arrays["trees.child"] = value.child
            else:
                arrays[_STORED.get(field.name, field.name)] = value
        out = io.BytesIO()
        np.savez_compressed(out, **{k: _smallest(v) for k, v in arrays.items()})
        return out.getvalue()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Tables:
        """The inverse of `to_bytes`, from the loaded arrays.

        Raises:
          KeyError, ValueError: if they are no tables, or not exact.
        """
        if any(a.dtype.kind not in "iu" for a in arrays.values()):
            raise ValueError("a table is not of integers")
        whole = {k: v.astype(np.int32) for k, v in arrays.items()}
        if "turn" not in whole:
            whole |= _one_turn(whole["inner"].shape[-1], len(whole["centre"]))
        values: dict = {}
        for field in dataclasses.fields(cls):
            if field.name in ("predictor", "spatial", "outer"):
                count = PLANES if field.name == "outer" else len(PASSES)
                values[field.name] = tuple(whole[f"{field.name}.{i}"] for i in range(count))
            elif field.name == "trees":
                values["trees"] = Trees.from_links(whole["trees.threshold"], whole["trees.child"])
            else:
                values[field.name] = whole[_STORED.get(field.name, field.name)]
        return cls(**values)


def _one_turn(hidden: int, channels: int) -> dict[str, np.ndarray]:
    """What tables without turns lack."""
    shapes = {
        "turn": (channels,),
        "turn_inner": (0, hidden, hidden),
        "turn_known": (0, channels, hidden),
        "turn_bias": (len(PASSES), 0, hidden),
        "turn_bits": (0,),
    }
    return {name: np.zeros(shape, np.int32) for name, shape in shapes.items()}


def _smallest(a: np.ndarray) -> np.ndarray:
    for dtype in (np.int8, np.int16, np.int32):
        info = np.iinfo(dtype)
        if not a.size or (a.min() >= info.min and a.max() <= info.max):
            return a.astype(dtype)
    raise ValueError("a table does not fit into 32 bits")
