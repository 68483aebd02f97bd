"""The context classifier in floats, for training (section III-B).

    known neighbours ─► spatial layer ─┐
                                       ├─► inner layer ─► outer layer ─► probability of each bit
    known bits of this place ──────────┘                        ▲
    prediction from the same channel's neighbours ──────────────┘

One spatial layer for each pass, shared by all planes; one inner and outer layer
for each of the first planes, one more for all deeper ones. Hidden units count
in fixed point from the start, as they will in integers.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from deepsic.coding.bitplanes import Trees, walk
from deepsic.coding.interlace import PASSES, REACH, TAPS, tap_views
from deepsic.coding.tables import (
    HIDDEN_BITS,
    HIDDEN_MAX,
    PLACES,
    PLANES,
    VALUE_BITS,
    places_of,
)
from training.context.statistics import Statistics, share_turns


@tf.custom_gradient
def _hidden(x: tf.Tensor):
    """A ReLU that counts in fixed point, with the gradient of the unrounded one."""
    scale = float(1 << HIDDEN_BITS)
    y = tf.clip_by_value(tf.floor(x * scale), 0.0, HIDDEN_MAX) / scale
    inside = tf.cast((x > 0) & (x < HIDDEN_MAX / scale), tf.float32)
    return y, lambda dy: dy * inside


class ContextNetwork(tf.Module):
    """The classifier in floats, for training.

    Args:
      statistics: of the symbols.
      hidden: units of the two hidden layers.
      seed: of the initial weights.
      turns: in which plane 0 asks the channels.
    """

    def __init__(self, statistics: Statistics, hidden: int, seed: int, turns: int = 1) -> None:
        super().__init__()
        self.trees = trees = statistics.trees
        self.channels = channels = trees.channels
        self.hidden = hidden
        paths = walk(trees)
        self.clip = tf.constant(statistics.clip, tf.float32)
        fixed = float(1 << VALUE_BITS)
        self.node_mean = tf.constant(statistics.node_mean.reshape(-1) / fixed, tf.float32)
        self.node_size = tf.constant(statistics.node_size.reshape(-1) / fixed, tf.float32)
        # Tables over (channel, rank): the node and its place in each plane, the answer
        # there, how many questions it takes, and what is known before plane p: a node,
        # or the rank itself.
        node, ranks = paths.node, np.arange(trees.levels)[None, :, None]
        rows = np.arange(channels)[:, None, None]
        state = np.where(node >= 0, node, trees.nodes + ranks)
        state += rows * (trees.nodes + trees.levels)
        flat = np.maximum(node, 0) + rows * trees.nodes

        def by_plane(table: np.ndarray, dtype: tf.DType) -> list[tf.Tensor]:
            planes = table.reshape(channels * trees.levels, -1).T
            return [tf.constant(p, dtype) for p in planes]

        self.state = by_plane(state, tf.int32)
        self.node = tf.constant(flat.reshape(-1), tf.int32)
        self.place = tf.constant(places_of(trees).reshape(-1), tf.int32)
        self.bit = tf.constant(paths.bit.reshape(-1), tf.float32)
        self.depth = tf.constant((node >= 0).sum(axis=-1).reshape(-1), tf.int32)
        rng = np.random.default_rng(seed)

        def dense(rows: int, columns: int, gain: float = 1.0) -> tf.Variable:
            size = gain * np.sqrt(2.0 / max(rows, 1))
            return tf.Variable(rng.normal(0.0, size, (rows, columns)).astype(np.float32))

        self.spatial = [dense(len(t) * (channels + 1), hidden, 0.5) for t in TAPS]
        self.spatial_bias = tf.Variable(tf.fill((len(PASSES), hidden), 0.3))
        self.inner = [dense(hidden, hidden) for _ in range(PLANES)]
        # Before plane 0 nothing is known of a position.
        self.known = [dense(2 * channels, hidden, 0.5) for _ in range(1, PLANES)]
        self.inner_bias = tf.Variable(tf.fill((len(PASSES), PLANES, hidden), 0.3))
        self.outer = [dense(hidden, channels * places, 0.1) for places in PLACES]
        self.remainder = tf.Variable(tf.zeros((PLANES, channels)))
        self.remainder_size = tf.Variable(tf.zeros((PLANES, channels)))
        self.node_bias = tf.Variable(_node_logits(trees, statistics.histogram))
        self.turn = share_turns(statistics.histogram, turns)
        self.turn_inner = [dense(hidden, hidden) for _ in range(1, turns)]
        self.turn_known = [dense(channels, hidden, 0.5) for _ in range(1, turns)]
        self.turn_bias = tf.Variable(tf.fill((len(PASSES), turns - 1, hidden), 0.3))

    def loss(self, values: tf.Tensor, ranks: tf.Tensor, remainders: tf.Tensor) -> tf.Tensor:
        """Bits for each position, a scalar.

        Args:
          values: float32 (maps, h, w, channels), levels less centre.
          ranks: int32, of the residuals.
          remainders: float32, the predictor's remainders in steps.
        """
        size = tf.minimum(tf.abs(values), self.clip)
        seen = tf.concat([size, tf.ones_like(size[..., :1])], axis=-1)
        padded = tf.pad(seen, [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)])
        h, w = values.shape[1:3]
        c = self.channels
        # All passes side by side: only their spatial layers and biases differ.
        sums = [self._spatial_sum(n, padded, h, w) for n in range(len(PASSES))]
        number = tf.repeat(tf.range(len(PASSES)), [tf.shape(s)[0] for s in sums])
        units = _hidden(tf.concat(sums, axis=0))
        rank = tf.concat([tf.reshape(p.of(ranks), (-1, c)) for p in PASSES], axis=0)
        remainder = tf.concat([tf.reshape(p.of(remainders), (-1, c)) for p in PASSES], axis=0)
        nats = self._nats(
            units, number, rank + tf.range(c) * self.trees.levels, tf.reshape(remainder, (-1,))
        )
        return nats / tf.cast(tf.shape(units)[0], tf.float32) / tf.math.log(2.0)

    def _nats(self, units, number, rank, remainders) -> tf.Tensor:
        """Cross entropy of all bits, in nats.

        Args:
          units: (positions, hidden), the first hidden layer.
          number: (positions,), of the pass.
          rank: (positions, channels), flat index of channel and rank.
          remainders: (positions·channels,), the predictor's.
        """
        depth = tf.reshape(tf.gather(self.depth, rank), (-1,))
        flat = tf.reshape(rank, (-1,))
        total = 0.0
        for d in range(PLANES):
            t = units @ self.inner[d] + tf.gather(self.inner_bias[:, d], number)
            if d:
                state = tf.gather(self.state[d], rank)
                seen = [tf.gather(self.node_mean, state), tf.gather(self.node_size, state)]
                t += tf.concat(seen, axis=-1) @ self.known[d - 1]
            logits = _hidden(t) @ self.outer[d] if d else self._zero_logits(t, units, number, rank)
            logits = tf.reshape(logits, (-1,))
            # Few symbols get to the deep planes, which share a layer.
            planes = tf.range(d, self.trees.planes if d == PLANES - 1 else d + 1)
            live = tf.where(depth > d)[:, 0]
            asked = tf.where(tf.gather(depth, live)[:, None] > planes)
            live, plane = tf.gather(live, asked[:, 0]), tf.gather(planes, asked[:, 1])
            where = tf.gather(flat, live) * self.trees.planes + plane
            total += self._cross_entropy(d, live, where, logits, remainders)
        return total

    def _zero_logits(self, first, units, number, rank) -> tf.Tensor:
        """Logits of plane 0, (positions, channels), before remainders and biases.

        Args:
          first: (positions, hidden), sums of the inner layer of the first turn.
          units, number, rank: see `_nats`.
        """
        nonzero = tf.cast(rank % self.trees.levels > 0, tf.float32)
        inner = [first]
        for turn, (weights, known) in enumerate(zip(self.turn_inner, self.turn_known, strict=True)):
            before = nonzero * (self.turn <= turn).astype(np.float32)
            sums = units @ weights + tf.gather(self.turn_bias[:, turn], number) + before @ known
            inner.append(sums)
        order = np.argsort(self.turn, kind="stable")
        columns = [np.flatnonzero(self.turn == turn) for turn in range(len(inner))]
        logits = [
            _hidden(sums) @ tf.gather(self.outer[0], mine, axis=1)
            for sums, mine in zip(inner, columns, strict=True)
        ]
        return tf.gather(tf.concat(logits, axis=1), np.argsort(order), axis=1)

    def _cross_entropy(self, plane: int, live, where, logits, remainders) -> tf.Tensor:
        """Sum over questions, in nats.

        Args:
          plane: whose weights answer them.
          live: flat index of position and channel.
          where: flat index of channel, rank and plane.
          logits: (positions·channels·places,), before remainders and biases.
          remainders: see `_nats`.
        """
        node = tf.gather(self.node, where)
        channel = node // self.trees.nodes
        place = tf.cast(tf.gather(self.place, node), tf.int64) if PLACES[plane] > 1 else 0
        remainder = tf.gather(remainders, live)
        logit = tf.gather(logits, live * PLACES[plane] + place)
        logit += tf.gather(tf.reshape(self.node_bias, (-1,)), node)
        logit += tf.gather(self.remainder[plane], channel) * remainder
        logit += tf.gather(self.remainder_size[plane], channel) * tf.abs(remainder)
        bit = tf.gather(self.bit, where)
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=bit, logits=logit))

    def _spatial_sum(self, number, padded, h, w) -> tf.Tensor:
        if not TAPS[number]:
            rows, columns = PASSES[number].shape(h, w)
            count = tf.shape(padded)[0] * rows * columns
            return tf.zeros((count, 1)) + self.spatial_bias[number]
        x = tf.concat(list(tap_views(padded, number, *PASSES[number].shape(h, w))), axis=-1)
        return tf.reshape(x, (-1, x.shape[-1])) @ self.spatial[number] + self.spatial_bias[number]


def _node_logits(trees: Trees, histogram: np.ndarray) -> np.ndarray:
    """What each node answers on average: float32 (channels, nodes) logits."""
    total = np.concatenate(
        [np.zeros((trees.channels, 1)), np.cumsum(histogram + 1e-3, axis=1)], axis=1
    )
    rows = np.arange(trees.channels)[:, None]
    middle = total[rows, trees.threshold + 1]
    yes = total[rows, trees.high + 1] - middle
    no = middle - total[rows, trees.low]
    return np.clip(np.log(yes + 1e-3) - np.log(no + 1e-3), -12, 12).astype(np.float32)
