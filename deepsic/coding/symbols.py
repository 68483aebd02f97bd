"""Symbols to bytes and back: passes, planes, ranges, range coder (section III-B).

Encoder and decoder ask the classifier the same questions, block by block of
positions and plane by plane; where the encoder looks an answer up, the decoder
reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from deepsic.coding.bitplanes import clip_trees, ranks, residuals
from deepsic.coding.classifier import Context, ContextClassifier, Symbols, probability_counts
from deepsic.coding.interlace import PASSES, RowBlock, row_blocks
from deepsic.coding.parallel import ahead, one_thread_each
from deepsic.coding.rangecoder import PRECISION, PythonCoder, RangeCoder, lookup
from deepsic.coding.tables import PLANES, PROBABILITIES, Tables, reaches
from deepsic.errors import CorruptFile

# In smaller maps the ranges cost more than they save.
RANGES_FROM = 1024
# In maps of fewer positions, threads wait longer for each other than they work.
THREADS_FROM = 4096

# From (plane, indices of probabilities, whose they are, thresholds) to answers: those of all
# positions and some channels in plane 0, of flat indices into (positions, channels) in others.
Answer = Callable[[int, np.ndarray, np.ndarray | slice, np.ndarray | int], np.ndarray]


class Clipped(NamedTuple):
    """The trees as one picture needs them.

    Attributes:
      asked: for each turn, which of its channels are not zero everywhere.
      channels: for each turn, these channels, or a slice of all.
      child: int64, see `bitplanes.clip_trees`.
    """

    asked: Sequence[np.ndarray | slice]
    channels: Sequence[np.ndarray | slice]
    child: np.ndarray


class SymbolCoder:
    """Codes whole maps of symbols with one model's tables.

    Args:
      tables: of the model; they say how many levels a symbol has.
      range_coder: that writes and reads the bytes; all write the same.
    """

    def __init__(self, tables: Tables, range_coder: RangeCoder | None = None) -> None:
        self.tables = tables
        self.range_coder = range_coder or PythonCoder()
        self.lowest = tables.lowest
        self.zero = tables.levels // 2
        self.reaches = reaches(tables.levels)
        self.residuals, self.rank_of = residuals(tables.levels), ranks(tables.levels)
        # As small as holds all symbols.
        self.dtype = np.int8 if tables.levels <= 128 else np.int16
        self.classifier = ContextClassifier(tables)
        # Of all nodes of all channels.
        self.plane = tables.trees.plane.reshape(-1)
        self.threshold = tables.trees.threshold.reshape(-1)
        # One lookup for the coder: probabilities first, then each channel's reach down, then up.
        counts = np.zeros((PROBABILITIES + 2 * tables.channels, len(self.reaches)), np.int64)
        counts[:PROBABILITIES, :2] = probability_counts()
        counts[PROBABILITIES:] = _scale(tables.reach)
        self.lookup = lookup(counts)

    def encode(self, q: np.ndarray) -> bytes:
        """Codes symbols.

        Args:
          q: integers (h, w, channels), lowest…lowest + levels - 1.

        Returns:
          The payload.
        """
        encoder = self.range_coder.encoder(self.lookup)
        for index, answers in self.questions(q):
            encoder.encode(index, answers)
        return encoder.finish()

    def questions(
        self, q: np.ndarray, passes: Sequence[int] = range(len(PASSES))
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """What `encode` codes: rows of `lookup`, and the answers; both int32 (n,), in pieces."""
        h, w, _ = q.shape
        levels = (q.astype(np.int16) - self.lowest).astype(np.uint8)
        reach = self._measure_reach(levels)
        if h * w >= RANGES_FROM:
            yield self._reach_rows(), reach
        tree = self._clip(reach)
        field = self.classifier.field(h, w)
        for number in range(len(PASSES)):
            self.classifier.reveal(field, levels, number)

        def answered(block: RowBlock) -> tuple[np.ndarray, np.ndarray]:
            context, first = self.begin(field, block)
            ranks = self.ranks(block.of(levels), context)
            asked: list[np.ndarray] = []
            answers: list[np.ndarray] = []

            def look_up(plane, index, where, threshold):
                found = (ranks[:, where] if plane == 0 else ranks.take(where)) > threshold
                asked.append(index)
                answers.append(found.astype(np.int32).reshape(-1))
                return answers[-1]

            self._ask(block.number, context, first, tree, look_up)
            return np.concatenate(asked), np.concatenate(answers)

        each = ahead if h * w >= THREADS_FROM else map
        with one_thread_each():
            yield from each(answered, [b for n in passes for b in row_blocks(n, h, w)])

    def decode(self, payload: bytes, h: int, w: int) -> np.ndarray:
        """The inverse of `encode`.

        Returns:
          `dtype` (h, w, channels): int8, or int16 for more than 128 levels.

        Raises:
          CorruptFile: if the payload does not end where the symbols do.
        """
        decoder = self.range_coder.decoder(payload, self.lookup)
        reach = np.full(2 * self.tables.channels, len(self.reaches) - 1, np.int32)
        if h * w >= RANGES_FROM:
            reach = decoder.decode(self._reach_rows())
        tree = self._clip(reach)
        levels = np.zeros((h, w, self.tables.channels), np.uint8)
        field = self.classifier.field(h, w)
        each = ahead if h * w >= THREADS_FROM else map
        with one_thread_each():
            for number in range(len(PASSES)):
                mine = row_blocks(number, h, w)
                # What asks only for earlier passes.
                begun = each(lambda block: self.begin(field, block), mine)
                for block, (context, first) in zip(mine, begun, strict=True):
                    ranks = self._ask(
                        number, context, first, tree, lambda _, index, *rest: decoder.decode(index)
                    )
                    self._put(block.of(levels), ranks, context)
                self.classifier.reveal(field, levels, number)
        if not decoder.finish():
            raise CorruptFile("the payload does not fit its picture: the file is damaged.")
        return (levels.astype(np.int16) + self.lowest).astype(self.dtype)

    def begin(self, field: np.ndarray, block: RowBlock) -> tuple[Context, np.ndarray]:
        """Context of a block, and the probabilities of the first turn of its plane 0."""
        context = self.classifier.context(field, block)
        return context, self.classifier.zeros(context, block.number)

    def ranks(self, levels: np.ndarray, context: Context) -> np.ndarray:
        """Levels of a block as ranks of their residuals, (positions, channels)."""
        residual = levels.reshape(context.shift.shape) - self.tables.centre - context.shift
        residual &= self.tables.levels - 1  # modulo, faster
        return self.rank_of.take(residual)

    def _put(self, levels: np.ndarray, ranks: np.ndarray, context: Context) -> None:
        """The inverse of `ranks`, into a view."""
        found = self.residuals.take(ranks).reshape(context.shift.shape)
        found += self.tables.centre
        found += context.shift
        found &= self.tables.levels - 1
        levels[...] = found.reshape(levels.shape)

    def _reach_rows(self) -> np.ndarray:
        return np.arange(PROBABILITIES, PROBABILITIES + 2 * self.tables.channels, dtype=np.int32)

    def _measure_reach(self, levels: np.ndarray) -> np.ndarray:
        """How far each channel goes below, then above its centre: indices into `reaches`."""
        top = len(self.reaches) - 1
        if levels.shape[0] * levels.shape[1] < RANGES_FROM:
            return np.full(2 * self.tables.channels, top, np.int32)
        below = self.tables.centre - levels.min(axis=(0, 1))
        above = levels.max(axis=(0, 1)) - self.tables.centre
        # Residuals beyond the range come out on its other side.
        wraps = (below > self.zero) | (above >= self.zero)
        ends = np.searchsorted(self.reaches, np.maximum([below, above], 0))
        return np.where(self.tables.predicted | wraps, top, ends).astype(np.int32).reshape(-1)

    def _clip(self, reach: np.ndarray) -> Clipped:
        below, above = self.reaches[reach].reshape(2, -1)
        root, child = clip_trees(self.tables.trees, below, np.minimum(above, self.zero - 1))
        asked: list[np.ndarray | slice] = []
        channels: list[np.ndarray | slice] = []
        for mine in self.classifier.turns:
            there = np.flatnonzero(root.take(mine) >= 0)
            every = len(there) == len(mine)
            asked.append(slice(None) if every else there)
            channels.append(slice(None) if every and len(mine) == len(root) else mine[there])
        return Clipped(asked, channels, child.astype(np.int64))

    def _ask_zeros(
        self, number: int, context: Context, first: np.ndarray, tree: Clipped, answer: Answer
    ) -> np.ndarray:
        """Plane 0 of one block, turn after turn; see `_ask`.

        Returns:
          int64, flat indices into (positions, channels) of symbols other than zero, ascending.
        """
        net = self.classifier
        seen = net.seen(context)
        nonzero = seen[:, self.tables.hidden :]
        for turn, (asked, channels) in enumerate(zip(tree.asked, tree.channels, strict=True)):
            index = (net.zeros(context, number, turn, seen) if turn else first)[:, asked]
            if index.size:
                answers = answer(0, index.reshape(-1), channels, 0)
                mine = nonzero[:, net.before[turn] : net.before[turn + 1]]
                mine[:, asked] = answers.reshape(index.shape)
        if len(net.turns) > 1:
            nonzero = nonzero[:, net.rank]
        return np.flatnonzero(nonzero)

    def _ask(
        self, number: int, context: Context, first: np.ndarray, tree: Clipped, answer: Answer
    ) -> np.ndarray:
        """All planes of one block.

        Args:
          number: of the pass.
          context: of the block.
          first: probabilities of the first turn of plane 0.
          tree: as clipped.
          answer: gives the bits.

        Returns:
          The ranks, flat (positions·channels).
        """
        net, n, c = self.classifier, len(first), self.tables.channels
        where = self._ask_zeros(number, context, first, tree, answer)
        row, channel = np.divmod(where, c)
        root = channel * self.tables.trees.nodes
        at = tree.child.take(2 * root + 1)
        known = net.known(context)
        pending = np.arange(len(at))
        for plane in range(1, self.tables.trees.planes):
            pending = pending[at.take(pending) >= 0]
            if not len(pending):
                break
            weights = min(plane, PLANES - 1)
            # The deep planes share what is known before the first of them.
            if plane < PLANES:
                symbols = Symbols(row, channel, at)
                logits = net.plane_logits(known, context.remainders, symbols, number, plane)
            node = root.take(pending)
            node += at.take(pending)
            asks = (self.plane.take(node) == plane).nonzero()[0]
            if not len(asks):
                continue
            now, node = pending.take(asks), node.take(asks)
            rows = net.probabilities(logits.take(now), node, weights)
            bits = answer(plane, rows, where.take(now), self.threshold.take(node))
            node *= 2
            node += bits
            at[now] = tree.child.take(node)
        ranks = np.zeros(n * c, np.int64)
        ranks[where] = -1 - at
        return ranks


def _scale(counts: np.ndarray) -> np.ndarray:
    """Rows of counts to positive rows that add up to 2**PRECISION."""
    total = 1 << PRECISION
    share = (counts + 1.0) / (counts + 1.0).sum(axis=1, keepdims=True)
    scaled = np.maximum(1, np.floor(share * (total - counts.shape[1]))).astype(np.int64)
    scaled[np.arange(len(counts)), counts.argmax(axis=1)] += total - scaled.sum(axis=1)
    return scaled
