"""The context classifier at work: beliefs of bits, in exact integer arithmetic.

Every array here is float32 that holds whole numbers; see `tables` for why the
sums are exact. Rescaling is by powers of two, followed by a floor.
"""

from __future__ import annotations

import numpy as np

from models.coding.bitplanes import NODES
from models.coding.interlace import PASSES, TAPS, tap_views
from models.coding.rangecoder import PRECISION
from models.coding.tables import (
    BELIEF_BITS,
    BELIEFS,
    DENSE_PLANES,
    HIDDEN_BITS,
    HIDDEN_MAX,
    PREDICTOR_BITS,
    REST_BITS,
    Tables,
)


def belief_counts() -> np.ndarray:
    """Counts of answers no and yes under each tabled belief, int (BELIEFS, 2).

    Computed in float64 and rounded to whole counts of 2**PRECISION; a difference
    between two machines' exponentials of less than 1e-9 leaves them alone,
    because no entry stands that close to a rounding edge (a test looks).
    """
    logits = (np.arange(BELIEFS) - BELIEFS / 2 + 0.5) / (1 << BELIEF_BITS)
    yes = (1 << PRECISION) / (1.0 + np.exp(-logits))
    yes = np.clip(np.rint(yes), 1, (1 << PRECISION) - 1).astype(np.int64)
    return np.stack([(1 << PRECISION) - yes, yes], axis=1)


def _rescale(sums: np.ndarray, bits: int) -> np.ndarray:
    """Sums in 1/2**bits to hidden units, in place."""
    np.multiply(sums, np.float32(2.0 ** (HIDDEN_BITS - bits)), out=sums)
    np.floor(sums, out=sums)
    return np.clip(sums, 0, HIDDEN_MAX, out=sums)


class Classifier:
    """Tables made ready for use.

    Attributes:
      tables: as given.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = t = tables
        f = np.float32
        self.cap = t.cap.astype(f)
        self.predictor = [p.astype(f) for p in t.predictor]
        self.spatial = [s.astype(f) for s in t.spatial]
        self.spatial_bias = t.spatial_bias.astype(f)
        self.inner = np.concatenate([t.inner, t.known], axis=1).astype(f)
        self.inner_bias = t.inner_bias.astype(f)
        self.outer = [o.astype(f) for o in t.outer]
        self.rest = t.rest.astype(f)
        self.node_bias = t.node_bias.astype(f).reshape(-1)
        self.node_mean = t.node_mean.astype(f).reshape(-1)
        self.node_size = t.node_size.astype(f).reshape(-1)
        self.place = _places(t).reshape(-1)

    def neighbours(self, padded: np.ndarray, number: int, h: int, w: int) -> np.ndarray:
        """What a pass knows of its surroundings.

        Args:
          padded: float32 (h + 2·REACH, w + 2·REACH, channels + 1): values, and a
            last channel that is 1 inside the map.
          number: of the pass.
          h, w: of the map.

        Returns:
          Values and presence, (positions, taps, channels + 1).
        """
        rows, columns = PASSES[number].shape(h, w)
        near = np.empty((rows, columns, len(TAPS[number]), padded.shape[-1]), np.float32)
        for i, view in enumerate(tap_views(padded[None], number, h, w)):
            near[:, :, i] = view[0]
        return near.reshape(rows * columns, *near.shape[2:])

    def predict(self, near: np.ndarray, number: int) -> np.ndarray:
        """Each symbol from its channel's neighbours, (positions, channels) in 1/2**REST_BITS."""
        if not TAPS[number]:
            return np.zeros((len(near), self.tables.channels), np.float32)
        p = np.einsum("ntc,tc->nc", near[:, :, :-1], self.predictor[number])
        return np.floor(p * np.float32(2.0 ** (REST_BITS - PREDICTOR_BITS)))

    def spatial_units(self, near: np.ndarray, number: int) -> np.ndarray:
        """The first hidden layer, (positions, hidden)."""
        bias = self.spatial_bias[number]
        if not TAPS[number]:
            sums = np.tile(bias, (len(near), 1))
        else:
            values = np.clip(near[:, :, :-1], -self.cap, self.cap).reshape(len(near), -1)
            x = np.concatenate([values, np.abs(values), near[:, :, -1]], axis=1)
            sums = x @ self.spatial[number] + bias
        return _rescale(sums, int(self.tables.spatial_bits[number]))

    def plane_sums(
        self, units: np.ndarray, state: np.ndarray | None, number: int, plane: int
    ) -> np.ndarray:
        """The outer layer of a plane before the biases of its nodes.

        Args:
          units: of the first hidden layer.
          state: int32 (positions, channels), flat index of what is known of each
            symbol; None in plane 0, where nothing is.
          number, plane: of the pass; planes beyond the dense ones share one layer.

        Returns:
          (positions, channels·2**plane), or (positions, channels) for deep planes.
        """
        if state is None:
            x, weights = units, self.inner[plane, : self.tables.hidden]
        else:
            x = np.concatenate([units, self.node_mean[state], self.node_size[state]], axis=1)
            weights = self.inner[plane]
        sums = x @ weights + self.inner_bias[number, plane]
        return _rescale(sums, int(self.tables.inner_bits[plane])) @ self.outer[plane]

    def beliefs(
        self, sums: np.ndarray, rests: np.ndarray, live: np.ndarray, node: np.ndarray, plane: int
    ) -> np.ndarray:
        """Indices into the table of beliefs for the symbols that a plane asks about.

        Args:
          sums: of `plane_sums`.
          rests: (positions, channels), the predictor's rests.
          live: flat indices into (positions, channels) of those symbols.
          node: their nodes, 0–62.
          plane: clipped to the deep one.

        Returns:
          int32, one index for each.
        """
        c = live % self.tables.channels
        flat = c * NODES + node
        if plane < DENSE_PLANES:
            logit = sums.reshape(-1)[(live << plane) + self.place[flat]]
            logit += rests.reshape(-1)[live] * self.rest[plane][c]
        else:
            logit = sums.reshape(-1)[live]
        logit += self.node_bias[flat]
        bits = int(self.tables.outer_bits[min(plane, DENSE_PLANES)])
        index = np.floor(logit * np.float32(2.0 ** (BELIEF_BITS - bits)))
        return np.clip(index + BELIEFS // 2, 0, BELIEFS - 1).astype(np.int32)


def _places(t: Tables) -> np.ndarray:
    """Each node's place among the 2**plane of its plane; (channels, 63), deep ones zero."""
    place = np.zeros((t.channels, NODES), np.int64)
    rows = np.arange(t.channels)
    for number in range(NODES):
        for side in (0, 1):
            to = t.trees.child[:, number, side]
            inner = (to >= 0) & (t.trees.plane[:, number] < DENSE_PLANES - 1)
            place[rows[inner], to[inner]] = 2 * place[inner, number] + side
    return place
