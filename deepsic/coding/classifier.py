"""The context classifier at work: probabilities of bits, in exact integer arithmetic.

Every array here is float32 that holds whole numbers; see `tables` for why the
sums are exact. Rescaling is by powers of two, followed by a floor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepsic.coding.interlace import PASSES, REACH, RowBlock, tap_indices
from deepsic.coding.rangecoder import PRECISION
from deepsic.coding.tables import (
    HIDDEN_BITS,
    HIDDEN_MAX,
    LOGIT_BITS,
    PLACES,
    PREDICTOR_BITS,
    PROBABILITIES,
    REMAINDER_BITS,
    REMAINDER_MAX,
    Tables,
    places_of,
)


def probability_counts() -> np.ndarray:
    """Counts of answers no and yes under each tabled probability, int (PROBABILITIES, 2).

    Computed in float64 and rounded to whole counts of 2**PRECISION; a difference
    between two machines' exponentials of less than 1e-9 leaves them alone,
    because no entry stands that close to a rounding edge (a test looks).
    """
    logits = (np.arange(PROBABILITIES) - PROBABILITIES / 2 + 0.5) / (1 << LOGIT_BITS)
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
      shift: int32 (positions, channels), what is taken off the levels of predicted channels.
      remainders: float32 (positions, channels), predictions less shift, in 1/2**REMAINDER_BITS.
    """

    units: np.ndarray
    shift: np.ndarray
    remainders: np.ndarray


class Symbols(NamedTuple):
    """Symbols of a block that are other than zero, and what is known of them.

    Attributes:
      row: int64 (n,), positions in the block.
      channel: int64 (n,).
      at: int64 (n,), the node reached in the channel's tree, or -1 - rank.
    """

    row: np.ndarray
    channel: np.ndarray
    at: np.ndarray


class ContextClassifier:
    """Tables made ready for use.

    Attributes:
      tables: as given.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = t = tables
        f = np.float32
        # With a weight of nothing for presence.
        self.predictor = [np.pad(p, [(0, 0), (0, 1)]).astype(f) for p in t.predictor]
        self.spatial = [s.astype(f) for s in t.spatial]
        self.spatial_bias = t.spatial_bias.astype(f)
        self.inner = np.concatenate([t.inner, t.known], axis=1).astype(f)
        self.inner_bias = t.inner_bias.astype(f)
        self.outer = [o.astype(f) for o in t.outer]
        self.turns = [np.flatnonzero(t.turn == turn) for turn in range(t.turns)]
        # Channels in the order in which plane 0 asks them, each one's place in it, and how many go
        # before each turn.
        self.order = np.concatenate(self.turns)
        self.rank = np.argsort(self.order)
        self.before = np.cumsum([0, *map(len, self.turns)])
        # Plane 0's layers of each turn, the first of which knows the units only.
        self.turn_inner = [self.inner[0, : t.hidden]] + [
            np.concatenate([inner, known[self.order[: self.before[turn]]]]).astype(f)
            for turn, (inner, known) in enumerate(zip(t.turn_inner, t.turn_known, strict=True), 1)
        ]
        self.turn_bias = np.concatenate([t.inner_bias[:, :1], t.turn_bias], axis=1).astype(f)
        self.turn_bits = [int(bits) for bits in (t.inner_bits[0], *t.turn_bits)]
        self.zero_outer = [self.outer[0].take(channels, axis=1) for channels in self.turns]
        # What makes a prediction a shift, which only predicted channels have.
        self.predicted = t.predicted.astype(f) * f(2.0**-REMAINDER_BITS)
        self.remainder = t.remainder.astype(f)
        self.remainder_size = t.remainder_size.astype(f)
        self.node_bias = t.node_bias.astype(f).reshape(-1)
        self.zero_bias = t.node_bias[:, 0].astype(f)
        self.node_mean = t.node_mean.astype(f).reshape(-1)
        self.node_size = t.node_size.astype(f).reshape(-1)
        # Of nodes, then of ranks, which need none.
        place = np.pad(places_of(t.trees), [(0, 0), (0, t.levels)])
        self.place = place.astype(np.int64).reshape(-1)

    def field(self, h: int, w: int) -> np.ndarray:
        """An empty map for `reveal`: values of all channels, then presence.

        Returns:
          int8 or int16 (h + 2·REACH, w + 2·REACH, channels + 1), presence 1 inside the map.
        """
        dtype = np.int8 if self.tables.clip.max() <= 127 else np.int16
        field = np.zeros((h + 2 * REACH, w + 2 * REACH, self.tables.channels + 1), dtype)
        field[REACH : REACH + h, REACH : REACH + w, -1] = 1
        return field

    def reveal(self, field: np.ndarray, levels: np.ndarray, number: int) -> None:
        """Makes the levels of a pass, taken from (h, w, channels), known to later passes."""
        p = PASSES[number]
        h, w, _ = levels.shape
        clip = self.tables.clip.astype(np.int16)
        inner = p.of(field[REACH : REACH + h, REACH : REACH + w])
        values: np.ndarray = p.of(levels) - self.tables.centre.astype(np.int16)
        inner[..., :-1] = np.clip(values, -clip, clip)

    def context(self, field: np.ndarray, block: RowBlock) -> Context:
        """The spatial layer and the predictor; asks only for what passes before have revealed."""
        number, c = block.number, self.tables.channels
        at = tap_indices(block, field.shape[1])
        near = field.reshape(-1, c + 1).take(at.reshape(-1), axis=0).astype(np.float32)
        near = near.reshape(*at.shape, c + 1)
        prediction = np.einsum("ntc,tc->nc", near, self.predictor[number])[:, :c]
        sums = np.abs(near, out=near).reshape(len(at), -1) @ self.spatial[number]
        sums += self.spatial_bias[number]
        units = _rescale(sums, int(self.tables.spatial_bits[number]))
        return Context(units, *self._predict(prediction))

    def _predict(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The predictor's sums as a shift of predicted channels and what remains."""
        remainders = sums * np.float32(2.0 ** (REMAINDER_BITS - PREDICTOR_BITS))
        np.floor(remainders, out=remainders)
        shift = remainders * self.predicted
        np.floor(shift, out=shift)
        remainders -= shift * np.float32(1 << REMAINDER_BITS)
        np.maximum(remainders, -REMAINDER_MAX, out=remainders)
        np.minimum(remainders, REMAINDER_MAX, out=remainders)
        return shift.astype(np.int32), remainders

    def zeros(
        self, context: Context, number: int, turn: int = 0, seen: np.ndarray | None = None
    ) -> np.ndarray:
        """Plane 0: probabilities that symbols of a turn's channels are other than zero.

        Args:
          context: of the block.
          number, turn: of the pass and the turn.
          seen: of the method `seen`, with what the turns before have found; needed from the second
            turn on.

        Returns:
          int32 (positions, channels of the turn), indices into the table of probabilities.
        """
        channels, layer = self.turns[turn], self.turn_inner[turn]
        known = context.units if seen is None else seen[:, : len(layer)]
        sums = known @ layer
        sums += self.turn_bias[number, turn]
        units = _rescale(sums, self.turn_bits[turn])
        remainders = context.remainders.take(channels, axis=1)
        logit = units @ self.zero_outer[turn]
        logit += remainders * self.remainder[0].take(channels)
        logit += np.abs(remainders, out=remainders) * self.remainder_size[0].take(channels)
        logit += self.zero_bias.take(channels)
        return self._index(logit, 0)

    def all_zeros(
        self, context: Context, number: int, first: np.ndarray, nonzero: np.ndarray
    ) -> np.ndarray:
        """`zeros` of all turns, int32 (positions, channels), where all symbols are known.

        Args:
          context, number: see `zeros`.
          first: of turn 0.
          nonzero: bool (positions, channels).
        """
        if len(self.turns) == 1:
            return first
        found = np.empty(nonzero.shape, np.int32)
        found[:, self.turns[0]] = first
        seen = self.seen(context)
        seen[:, self.tables.hidden :] = nonzero[:, self.order]
        for turn in range(1, len(self.turns)):
            found[:, self.turns[turn]] = self.zeros(context, number, turn, seen)
        return found

    def seen(self, context: Context) -> np.ndarray:
        """What turns of plane 0 see, float32 (positions, hidden + channels).

        The spatial layer's units, then, for channels in their `order`, 1 where a symbol is known
        to be other than zero.
        """
        n, hidden = context.units.shape
        seen = np.zeros((n, hidden + self.tables.channels), np.float32)
        seen[:, :hidden] = context.units
        return seen

    def known(self, context: Context) -> np.ndarray:
        """Room for the spatial layer's units and what `plane_logits` knows of each symbol."""
        n, hidden = context.units.shape
        known = np.zeros((n, hidden + 2 * self.tables.channels), np.float32)
        known[:, :hidden] = context.units
        return known

    def plane_logits(
        self, known: np.ndarray, remainders: np.ndarray, symbols: Symbols, number: int, plane: int
    ) -> np.ndarray:
        """Logits of a plane from 1 on, before the biases of nodes.

        Args:
          known: of the method `known`, which is brought up to date.
          remainders: of the context.
          symbols: all that are not zero.
          number, plane: of the pass; the last plane of PLANES stands for all deeper ones.

        Returns:
          (n,), for each of the symbols.
        """
        row, channel, at = symbols
        c, places = self.tables.channels, PLACES[plane]
        nodes = self.tables.trees.nodes
        state = np.where(at < 0, nodes - 1 - at, at)
        state += channel * (nodes + self.tables.levels)
        at_known = row * known.shape[1]
        at_known += channel
        at_known += self.tables.hidden
        flat = known.reshape(-1)
        flat[at_known] = self.node_mean.take(state)
        at_known += c
        flat[at_known] = self.node_size.take(state)
        where = row * c
        where += channel
        remainder = remainders.reshape(-1).take(where)
        if places > 1:
            where *= places
            where += self.place.take(state)
        logit = self.outer_sums(known, number, plane).reshape(-1).take(where)
        logit += remainder * self.remainder[plane].take(channel)
        logit += np.abs(remainder, out=remainder) * self.remainder_size[plane].take(channel)
        return logit

    def outer_sums(self, known: np.ndarray, number: int, plane: int) -> np.ndarray:
        """Logits, (positions, channels·places), of what is known, which may end with the units."""
        sums = known @ self.inner[plane, : known.shape[1]]
        sums += self.inner_bias[number, plane]
        return _rescale(sums, int(self.tables.inner_bits[plane])) @ self.outer[plane]

    def probabilities(self, logits: np.ndarray, node: np.ndarray, plane: int) -> np.ndarray:
        """Indices into the table of probabilities.

        Args:
          logits: (n,), of `plane_logits`; they are changed.
          node: int64 (n,), flat indices into (channels, nodes), of the nodes that ask.
          plane: 1 to PLANES - 1.

        Returns:
          int32 (n,).
        """
        logits += self.node_bias.take(node)
        return self._index(logits, plane)

    def _index(self, logit: np.ndarray, plane: int) -> np.ndarray:
        logit *= np.float32(2.0 ** (LOGIT_BITS - int(self.tables.outer_bits[plane])))
        np.floor(logit, out=logit)
        logit += PROBABILITIES // 2
        np.maximum(logit, 0, out=logit)
        return np.minimum(logit, PROBABILITIES - 1, out=logit).astype(np.int32)
