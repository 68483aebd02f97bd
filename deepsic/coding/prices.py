"""What symbols would cost: bits of candidates, by the context classifier.

A candidate is priced where its symbol stands, with all that the coder knows as the symbols are:
what it would change in the contexts of its neighbours, and of its own deeper planes, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deepsic.coding.bitplanes import walk
from deepsic.coding.classifier import Context, probability_counts
from deepsic.coding.interlace import PASSES, RowBlock, row_blocks
from deepsic.coding.parallel import ahead, one_thread_each
from deepsic.coding.rangecoder import PRECISION
from deepsic.coding.symbols import SymbolCoder
from deepsic.coding.tables import PLACES, PLANES

# Candidates that cost more already for not being zero are not worth a closer look.
MOST_BITS = 8.0


class _Plane(NamedTuple):
    """What a plane knows of ranks, each array (channels·levels,).

    Attributes:
      mean, size: of what is known of a symbol before the plane; 0 of rank 0.
      column: of the outer layer.
    """

    mean: np.ndarray
    size: np.ndarray
    column: np.ndarray


class Pricer:
    """Prices symbols with one model's tables.

    Args:
      coder: of the model.
    """

    def __init__(self, coder: SymbolCoder) -> None:
        self.coder, self.classifier = coder, coder.classifier
        t = coder.tables
        self.bits = (PRECISION - np.log2(probability_counts())).astype(np.float32).reshape(-1)
        paths = walk(t.trees)
        c, levels, nodes = t.channels, t.levels, t.trees.nodes
        # Flat indices of nodes, -1 where none is asked.
        self.first_rank = np.arange(c) * levels
        root = (np.arange(c) * nodes)[:, None, None]
        self.node = np.where(paths.node < 0, -1, paths.node + root).reshape(c * levels, -1)
        self.answer = paths.bit.reshape(c * levels, -1)
        self.planes = [self._plane(paths.node[..., p], p) for p in range(1, PLANES)]

    def _plane(self, node: np.ndarray, plane: int) -> _Plane:
        net, t = self.classifier, self.coder.tables
        rank = np.arange(t.levels)
        state = np.where(node < 0, t.trees.nodes + rank, node)
        state = state + (np.arange(t.channels) * (t.trees.nodes + t.levels))[:, None]
        some = (rank > 0).astype(np.float32)
        column = np.arange(t.channels)[:, None] * PLACES[plane]
        if PLACES[plane] > 1:
            column = column + net.place.take(state)
        mean, size = net.node_mean.take(state) * some, net.node_size.take(state) * some
        column = np.broadcast_to(column, state.shape)
        return _Plane(mean.reshape(-1), size.reshape(-1), column.reshape(-1).copy())

    def prices(
        self, q: np.ndarray, candidates: Sequence[np.ndarray], wanted: np.ndarray
    ) -> list[np.ndarray]:
        """Bits of candidates.

        Args:
          q: integers (h, w, channels), the symbols as they stand.
          candidates: each like q.
          wanted: bool, like q, which of them are priced in full; of others, only what it costs
            to tell zeros from others.

        Returns:
          float32, like q, for each of the candidates.
        """
        h, w, _ = q.shape
        coder = self.coder
        levels = [(a.astype(np.int16) - coder.lowest).astype(np.uint8) for a in (q, *candidates)]
        field = self.classifier.field(h, w)
        for number in range(len(PASSES)):
            self.classifier.reveal(field, levels[0], number)
        found = [np.empty(q.shape, np.float32) for _ in candidates]

        def price(block: RowBlock) -> None:
            context, first = coder.begin(field, block)
            ranks = [coder.ranks(block.of(a), context) for a in levels]
            zeros = self.classifier.all_zeros(context, block.number, first, ranks[0] > 0)
            logits = self._logits(context, ranks[0], block.number)
            near = block.of(wanted).reshape(-1)
            for rank, out in zip(ranks[1:], found, strict=True):
                here = block.of(out)
                here[...] = self._price(zeros, logits, rank, near).reshape(here.shape)

        blocks = [b for n in range(len(PASSES)) for b in row_blocks(n, h, w)]
        with one_thread_each():
            for _ in ahead(price, blocks):
                pass
        return found

    def _logits(self, context: Context, rank: np.ndarray, number: int) -> list[np.ndarray]:
        """Of every plane from 1 on, before the biases of nodes, (positions, channels·places)."""
        net = self.classifier
        at = rank + self.first_rank
        size = np.abs(context.remainders)
        logits = []
        for plane, of in enumerate(self.planes, 1):
            known = np.concatenate([context.units, of.mean.take(at), of.size.take(at)], axis=1)
            logit = net.outer_sums(known, number, plane)
            extra = context.remainders * net.remainder[plane]
            extra += size * net.remainder_size[plane]
            logit.reshape(*extra.shape, -1)[...] += extra[..., None]
            logits.append(logit.reshape(-1))
        return logits

    def _price(
        self, zeros: np.ndarray, logits: list[np.ndarray], rank: np.ndarray, wanted: np.ndarray
    ) -> np.ndarray:
        """Bits of candidates, flat, from plane 0 on."""
        c = rank.shape[1]
        bits = self.bits.take(2 * zeros + (rank > 0)).reshape(-1)
        active = np.flatnonzero(wanted & (rank.reshape(-1) > 0) & (bits < MOST_BITS))
        row, channel = np.divmod(active, c)
        then = self.first_rank.take(channel) + rank.reshape(-1).take(active)
        more = np.zeros(len(active), np.float32)
        for plane, of in enumerate(self.planes, 1):
            columns = row * (c * PLACES[plane])
            columns += of.column.take(then)
            logit = logits[plane - 1].take(columns)
            deepest = self.node.shape[1] if plane == PLANES - 1 else plane + 1
            for depth in range(plane, deepest):
                node = self.node[:, depth].take(then)
                asked = np.flatnonzero(node >= 0)
                if not len(asked):
                    break
                index = self.classifier.probabilities(logit.take(asked), node.take(asked), plane)
                index *= 2
                index += self.answer[:, depth].take(then.take(asked))
                more[asked] += self.bits.take(index)
        bits[active] += more
        return bits
