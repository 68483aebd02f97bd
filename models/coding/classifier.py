"""The context classifier at work: beliefs of bits, in exact integer arithmetic.

Every array here is float32 that holds whole numbers; see `tables` for why the
sums are exact. Rescaling is by powers of two, followed by a floor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.coding.bitplanes import LEVELS, NODES
from models.coding.interlace import PASSES, REACH, TAPS, Block, tap_views
from models.coding.rangecoder import PRECISION
from models.coding.tables import (
    BELIEF_BITS,
    BELIEFS,
    HIDDEN_BITS,
    HIDDEN_MAX,
    PLACES,
    PREDICTOR_BITS,
    REST_BITS,
    REST_MAX,
    Tables,
    places_of,
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
    np.maximum(sums, 0, out=sums)
    return np.minimum(sums, HIDDEN_MAX, out=sums)


class Context(NamedTuple):
    """What a block knows from its neighbours.

    Attributes:
      units: float32 (positions, hidden), the first hidden layer.
      shift: int32 (positions, channels), what is taken off the levels of wide channels.
      rests: float32 (positions, channels), predictions less shift, in 1/2**REST_BITS.
    """

    units: np.ndarray
    shift: np.ndarray
    rests: np.ndarray


class Questions(NamedTuple):
    """Symbols of a block that are other than zero, and what is known of them.

    Attributes:
      where: int64 (n,), flat indices into (positions, channels).
      channel: int64 (n,).
      at: int32 (n,), the node reached in the channel's tree, or -1 - rank.
    """

    where: np.ndarray
    channel: np.ndarray
    at: np.ndarray


class Classifier:
    """Tables made ready for use.

    Attributes:
      tables: as given.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = t = tables
        f = np.float32
        self.predictor = [p.astype(f) for p in t.predictor]
        self.spatial = [s.astype(f) for s in t.spatial]
        self.spatial_bias = t.spatial_bias.astype(f)
        self.inner = np.concatenate([t.inner, t.known], axis=1).astype(f)
        self.inner_bias = t.inner_bias.astype(f)
        self.outer = [o.astype(f) for o in t.outer]
        self.rest = t.rest.astype(f)
        self.rest_size = t.rest_size.astype(f)
        self.node_bias = t.node_bias.astype(f).reshape(-1)
        self.node_mean = t.node_mean.astype(f).reshape(-1)
        self.node_size = t.node_size.astype(f).reshape(-1)
        self.place = places_of(t.trees).astype(np.int64).reshape(-1)

    def field(self, h: int, w: int) -> np.ndarray:
        """An empty map for `reveal`: values of all channels, then presence.

        Returns:
          int8 (h + 2·REACH, w + 2·REACH, channels + 1), presence 1 inside the map.
        """
        field = np.zeros((h + 2 * REACH, w + 2 * REACH, self.tables.channels + 1), np.int8)
        field[REACH : REACH + h, REACH : REACH + w, -1] = 1
        return field

    def reveal(self, field: np.ndarray, levels: np.ndarray, number: int) -> None:
        """Makes the levels of a pass, taken from (h, w, channels), known to later passes."""
        p = PASSES[number]
        h, w, _ = levels.shape
        cap = self.tables.cap.astype(np.int16)
        inner = p.of(field[REACH : REACH + h, REACH : REACH + w])
        values: np.ndarray = p.of(levels) - self.tables.centre.astype(np.int16)
        inner[..., :-1] = np.clip(values, -cap, cap)

    def context(self, field: np.ndarray, block: Block) -> Context:
        """The spatial layer and the predictor; asks only for what passes before have revealed."""
        number, c = block.number, self.tables.channels
        p = PASSES[number]
        rows = block.bottom - block.top
        columns = p.shape(rows, field.shape[1] - 2 * REACH)[1]
        near = np.empty((rows, columns, len(TAPS[number]), c + 1), np.float32)
        prediction = np.zeros((rows, columns, c), np.float32)
        views = tap_views(field[None, block.top * p.dy :], number, rows, columns)
        for i, view in enumerate(views):
            values = view[0, :, :, :c].astype(np.float32)
            np.abs(values, out=near[:, :, i, :c])
            near[:, :, i, c] = view[0, :, :, c]
            values *= self.predictor[number][i]
            prediction += values
        near = near.reshape(rows * columns, -1)
        sums = near @ self.spatial[number] + self.spatial_bias[number]
        units = _rescale(sums, int(self.tables.spatial_bits[number]))
        return Context(units, *self._predict(prediction.reshape(-1, c)))

    def _predict(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The predictor's sums as a shift of wide channels and what rests."""
        prediction = np.floor(sums * np.float32(2.0 ** (REST_BITS - PREDICTOR_BITS)))
        wide = self.tables.wide.astype(np.float32)
        shift = np.floor(prediction * np.float32(2.0**-REST_BITS)) * wide
        rests = np.clip(prediction - shift * (1 << REST_BITS), -REST_MAX, REST_MAX)
        return shift.astype(np.int32), rests

    def zeros(self, context: Context, number: int) -> np.ndarray:
        """Plane 0: beliefs that a symbol is other than zero.

        Returns:
          int32 (positions, channels), indices into the table of beliefs.
        """
        logit = self._outer_sums(context.units, number, 0)
        logit += context.rests * self.rest[0]
        logit += np.abs(context.rests) * self.rest_size[0]
        logit += self.node_bias[::NODES]
        return self._index(logit, 0)

    def known(self, context: Context) -> np.ndarray:
        """Room for the spatial layer's units and what `plane_sums` knows of each symbol."""
        n, hidden = context.units.shape
        known = np.zeros((n, hidden + 2 * self.tables.channels), np.float32)
        known[:, :hidden] = context.units
        return known

    def plane_sums(
        self, known: np.ndarray, questions: Questions, number: int, plane: int
    ) -> np.ndarray:
        """The outer layer of a plane from 1 on, before rests and biases.

        Args:
          known: of the method `known`, which is brought up to date.
          questions: all symbols that are not zero.
          number, plane: of the pass; the last plane of PLANES stands for all deeper ones.

        Returns:
          (positions·channels·places,).
        """
        c = self.tables.channels
        at = questions.at
        state = np.where(at < 0, NODES - 1 - at, at) + questions.channel * (NODES + LEVELS)
        # From places in (positions, channels) to places in `known`.
        place = questions.where + (questions.where // c) * (known.shape[1] - c)
        place += self.tables.hidden
        flat = known.reshape(-1)
        flat[place] = self.node_mean.take(state)
        flat[place + c] = self.node_size.take(state)
        return self._outer_sums(known, number, plane).reshape(-1)

    def _outer_sums(self, known: np.ndarray, number: int, plane: int) -> np.ndarray:
        weights = self.inner[plane, : known.shape[1]]
        sums = known @ weights + self.inner_bias[number, plane]
        return _rescale(sums, int(self.tables.inner_bits[plane])) @ self.outer[plane]

    def beliefs(
        self, sums: np.ndarray, rests: np.ndarray, questions: Questions, plane: int
    ) -> np.ndarray:
        """Indices into the table of beliefs for the symbols that a plane asks about.

        Args:
          sums: of `plane_sums`.
          rests: of the context.
          questions: of those symbols.
          plane: 1 to PLANES - 1.

        Returns:
          int32, one index for each.
        """
        where, c = questions.where, questions.channel
        node = c * NODES + questions.at
        rest = rests.reshape(-1).take(where)
        places = PLACES[plane]
        logit = sums.take(where if places == 1 else where * places + self.place.take(node))
        logit += rest * self.rest[plane].take(c)
        logit += np.abs(rest) * self.rest_size[plane].take(c)
        logit += self.node_bias.take(node)
        return self._index(logit, plane)

    def _index(self, logit: np.ndarray, plane: int) -> np.ndarray:
        logit *= np.float32(2.0 ** (BELIEF_BITS - int(self.tables.outer_bits[plane])))
        np.floor(logit, out=logit)
        logit += BELIEFS // 2
        np.maximum(logit, 0, out=logit)
        return np.minimum(logit, BELIEFS - 1, out=logit).astype(np.int32)
