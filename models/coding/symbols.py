"""Symbols to bytes and back: passes, planes, ranges, range coder (section III-B).

Encoder and decoder run the same walk over passes and planes; where the encoder
looks an answer up, the decoder reads it. Both therefore ask the classifier the
same questions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.coding.bitplanes import LEVELS, NODES, clip_trees
from models.coding.classifier import Classifier, belief_counts
from models.coding.container import CorruptFile
from models.coding.interlace import PASSES, REACH
from models.coding.rangecoder import PRECISION, Decoder, Encoder, lookup
from models.coding.tables import (
    BELIEFS,
    DENSE_PLANES,
    REACHES,
    REST_BITS,
    REST_MAX,
    Tables,
)

# In smaller maps the ranges cost more than they save.
RANGES_FROM = 1024
ZERO = LEVELS // 2

# From (indices of beliefs, flat positions in the pass, thresholds) to answers.
Answer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class SymbolCoder:
    """Codes whole maps of symbols with one model's tables.

    Args:
      tables: of the model.
      lowest: the smallest symbol, -31 for 6 bits.
    """

    def __init__(self, tables: Tables, lowest: int = 1 - ZERO) -> None:
        self.tables = tables
        self.lowest = lowest
        self.classifier = Classifier(tables)
        # One lookup for the coder: beliefs first, then each channel's reach down, then up.
        counts = np.zeros((BELIEFS + 2 * tables.channels, len(REACHES)), np.int64)
        counts[:BELIEFS, :2] = belief_counts()
        counts[BELIEFS:] = _scale(tables.reach)
        self.lookup = lookup(counts)

    def encode(self, q: np.ndarray) -> bytes:
        """Codes symbols.

        Args:
          q: integers (h, w, channels), lowest…lowest + 63.

        Returns:
          The payload.
        """
        h, w, _ = q.shape
        levels = q.astype(np.int32) - self.lowest
        encoder = Encoder(self.lookup)
        reach = self._measure_reach(levels)
        if h * w >= RANGES_FROM:
            encoder.encode(self._reach_rows(), reach)

        def answers(number: int, shift: np.ndarray) -> Answer:
            mine = PASSES[number].of(levels).reshape(shift.shape)
            residual = self._residual(mine, shift).reshape(-1)

            def look_up(index, where, threshold):
                bits = (residual[where] > threshold).astype(np.int32)
                encoder.encode(index, bits)
                return bits

            return look_up

        self._walk(h, w, reach, answers)
        return encoder.finish()

    def decode(self, payload: bytes, h: int, w: int) -> np.ndarray:
        """The inverse of `encode`.

        Returns:
          int8 (h, w, channels).

        Raises:
          CorruptFile: if the payload does not end where the symbols do.
        """
        decoder = Decoder(payload, self.lookup)
        reach = np.full(2 * self.tables.channels, len(REACHES) - 1, np.int32)
        if h * w >= RANGES_FROM:
            reach = decoder.decode(self._reach_rows())
        levels = self._walk(
            h, w, reach, lambda number, shift: lambda index, where, threshold: decoder.decode(index)
        )
        if not decoder.finish():
            raise CorruptFile("the payload does not fit its picture: the file is damaged.")
        return (levels + self.lowest).astype(np.int8)

    def _reach_rows(self) -> np.ndarray:
        return np.arange(BELIEFS, BELIEFS + 2 * self.tables.channels, dtype=np.int32)

    def _residual(self, levels: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
        """Levels as residuals of the centre and the prediction, modulo 64, ZERO if right."""
        return (levels - self.tables.centre - shift + ZERO) % LEVELS

    def _measure_reach(self, levels: np.ndarray) -> np.ndarray:
        """How far each channel goes below, then above its centre: indices into REACHES."""
        top = len(REACHES) - 1
        if levels.shape[0] * levels.shape[1] < RANGES_FROM:
            return np.full(2 * self.tables.channels, top, np.int32)
        residual = self._residual(levels, 0)
        ends = np.concatenate([ZERO - residual.min(axis=(0, 1)), residual.max(axis=(0, 1)) - ZERO])
        reach = np.searchsorted(REACHES, np.maximum(ends, 0)).astype(np.int32)
        return np.where(np.tile(self.tables.wide, 2), top, reach).astype(np.int32)

    def _walk(
        self, h: int, w: int, reach: np.ndarray, answers: Callable[[int, np.ndarray], Answer]
    ) -> np.ndarray:
        """Asks every question in order and returns the levels, int32 (h, w, channels)."""
        t, c = self.tables, self.tables.channels
        low = np.maximum(ZERO - REACHES[reach[:c]], 0)
        high = np.minimum(ZERO + REACHES[reach[c:]], LEVELS - 1)
        root, child = clip_trees(t.trees, low, high)
        levels = np.zeros((h, w, c), np.int32)
        padded = np.zeros((h + 2 * REACH, w + 2 * REACH, c + 1), np.float32)
        inner = padded[REACH : REACH + h, REACH : REACH + w]
        inner[..., c] = 1.0
        for number, p in enumerate(PASSES):
            rows, columns = p.shape(h, w)
            if not rows * columns:
                continue
            near = self.classifier.neighbours(padded, number, h, w)
            prediction = self.classifier.predict(near, number)
            shift = np.floor(prediction * np.float32(2.0**-REST_BITS)) * t.wide
            rests = np.clip(prediction - shift * (1 << REST_BITS), -REST_MAX, REST_MAX)
            shift = shift.astype(np.int32)
            residual = self._walk_planes(
                number, near, rests, root, child.reshape(-1), answers(number, shift)
            )
            found = (residual - ZERO + t.centre + shift) % LEVELS
            p.of(levels)[...] = found.reshape(rows, columns, c)
            p.of(inner)[..., :c] = (found - t.centre).reshape(rows, columns, c)
        return levels

    def _walk_planes(
        self,
        number: int,
        near: np.ndarray,
        rests: np.ndarray,
        root: np.ndarray,
        child: np.ndarray,
        answer: Answer,
    ) -> np.ndarray:
        """All planes of one pass; returns residual levels (positions, channels)."""
        t, net = self.tables, self.classifier
        c = t.channels
        units = net.spatial_units(near, number)
        at = np.tile(root.astype(np.int32), (len(near), 1)).reshape(-1)
        pending = np.flatnonzero(at >= 0)
        base = np.arange(c, dtype=np.int32) * (NODES + LEVELS)
        sums = np.zeros((0, c), np.float32)
        for plane in range(t.trees.planes):
            if not len(pending):
                break
            node = at[pending]
            channel = pending % c
            now = t.trees.plane.reshape(-1)[channel * NODES + node] == plane
            live = pending[now]
            # The deep planes share one layer, which sees what is known before the first of them.
            if plane == DENSE_PLANES or (plane < DENSE_PLANES and len(live)):
                known = None
                if plane:
                    grid = at.reshape(-1, c)
                    known = np.where(grid < 0, NODES - 1 - grid, grid) + base
                sums = net.plane_sums(units, known, number, plane)
            if not len(live):
                continue
            node, flat = node[now], channel[now] * NODES + node[now]
            index = net.beliefs(sums, rests, live, node, plane)
            bits = answer(index, live, t.trees.threshold.reshape(-1)[flat])
            at[live] = child[2 * flat + bits]
            pending = pending[at[pending] >= 0]
        return (-1 - at).reshape(-1, c)


def _scale(counts: np.ndarray) -> np.ndarray:
    """Rows of counts to positive rows that add up to 2**PRECISION."""
    total = 1 << PRECISION
    share = (counts + 1.0) / (counts + 1.0).sum(axis=1, keepdims=True)
    scaled = np.maximum(1, np.floor(share * (total - counts.shape[1]))).astype(np.int64)
    scaled[np.arange(len(counts)), counts.argmax(axis=1)] += total - scaled.sum(axis=1)
    return scaled
