"""Training of the context classifier (section III-B), by cross entropy on symbols.

    known neighbours ─► spatial layer ─┐
                                       ├─► inner layer ─► outer layer ─► belief of each bit
    known bits of this place ──────────┘                        ▲
    prediction from the same channel's neighbours ──────────────┘

One spatial layer for each pass, shared by all planes; one inner and outer layer
for each of the first planes. Trained in floats whose hidden units already
count in fixed point; `export` rounds the weights to integers.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from models.coding.bitplanes import LEVELS, NODES, Trees, build_trees
from models.coding.interlace import PASSES, REACH, TAPS
from models.coding.tables import (
    DENSE_PLANES,
    HIDDEN_BITS,
    HIDDEN_MAX,
    PREDICTOR_BITS,
    REST_BITS,
    REST_CAP,
    VALUE_BITS,
)

PLANES = DENSE_PLANES + 1


@tf.custom_gradient
def _hidden(x: tf.Tensor):
    """A ReLU that counts in fixed point, with the gradient of the unrounded one."""
    scale = float(1 << HIDDEN_BITS)
    y = tf.clip_by_value(tf.floor(x * scale), 0.0, HIDDEN_MAX) / scale
    inside = tf.cast((x > 0) & (x < HIDDEN_MAX / scale), tf.float32)
    return y, lambda dy: dy * inside


@dataclasses.dataclass(frozen=True)
class Paths:
    """Which nodes a level passes in its channel's tree, plane by plane.

    Attributes:
      node: int32 (channels, 64, planes), -1 below the leaf.
      place: int32, the node's place among the 2^plane of its plane.
      bit: int32, the answer there.
    """

    node: np.ndarray
    place: np.ndarray
    bit: np.ndarray


def walk(trees: Trees) -> Paths:
    """Walks every level of every channel down its tree."""
    shape = (trees.channels, LEVELS, trees.planes)
    node, place, bit = (np.full(shape, -1, np.int32) for _ in range(3))
    rows = np.arange(trees.channels)[:, None]
    levels = np.arange(LEVELS)[None, :]
    at = np.zeros((trees.channels, LEVELS), np.int32)
    where = np.zeros_like(at)
    for plane in range(trees.planes):
        live = at >= 0
        safe = np.maximum(at, 0)
        answer = (levels > trees.threshold[rows, safe]).astype(np.int32)
        node[..., plane] = np.where(live, at, -1)
        place[..., plane] = np.where(live, where, -1)
        bit[..., plane] = np.where(live, answer, 0)
        at = np.where(live, trees.child[rows, safe, answer], at)
        # Beyond the dense planes places are not used and would overflow.
        where = 2 * where + answer if plane < DENSE_PLANES else where
    return Paths(node, place, bit)


def fit_predictor(values: np.ndarray) -> list[np.ndarray]:
    """Least-squares weights of each channel's known neighbours, for each pass.

    Args:
      values: int (maps, h, w, channels), levels less their channel's centre.

    Returns:
      For each pass int (taps, channels) in 1/2^PREDICTOR_BITS.
    """
    weights = []
    padded = np.pad(values, [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)]).astype(np.float32)
    _, h, w, channels = values.shape
    for number, p in enumerate(PASSES):
        if not TAPS[number]:
            weights.append(np.zeros((0, channels), np.int32))
            continue
        x = np.stack(list(_tap_views(padded, number, h, w)), axis=-1)
        x = np.moveaxis(x.reshape(-1, channels, len(TAPS[number])), 1, 0)
        y = np.moveaxis(p.of(values).reshape(-1, channels), 1, 0)[..., None].astype(np.float32)
        gram = x.transpose(0, 2, 1) @ x + 1e-2 * x.shape[1] * 0.01 * np.eye(x.shape[2])
        best = np.linalg.solve(gram, x.transpose(0, 2, 1) @ y)[..., 0]
        limit = 2 << PREDICTOR_BITS
        rounded = np.rint(best.T * (1 << PREDICTOR_BITS)).clip(-limit, limit)
        weights.append(rounded.astype(np.int32))
    return weights


def _tap_views(padded, number: int, h: int, w: int):
    p = PASSES[number]
    rows, columns = p.shape(h, w)
    for dy, dx in TAPS[number]:
        y, x = REACH + p.y + dy, REACH + p.x + dx
        yield padded[
            :, y : y + (rows - 1) * p.dy + 1 : p.dy, x : x + (columns - 1) * p.dx + 1 : p.dx
        ]


def predict(values: np.ndarray, predictor: list[np.ndarray]) -> np.ndarray:
    """Predictions of every symbol from its known neighbours, in 1/2^REST_BITS steps."""
    out = np.zeros(values.shape, np.int32)
    padded = np.pad(values, [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)]).astype(np.int32)
    _, h, w, _ = values.shape
    for number, p in enumerate(PASSES):
        total = 0
        for view, weight in zip(_tap_views(padded, number, h, w), predictor[number], strict=True):
            total = total + view * weight
        p.of(out)[...] = total >> (PREDICTOR_BITS - REST_BITS) if TAPS[number] else 0
    return out


class ContextNetwork(tf.Module):
    """The classifier in floats, for training.

    Args:
      channels: of the symbols.
      hidden: units of the two hidden layers.
      trees: of all channels.
      cap: (channels,) bound of a neighbour's magnitude.
      node_mean, node_size: (channels, 127) in steps, see `Tables`.
      histogram: (channels, 64), from which the beliefs start.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        trees: Trees,
        cap: np.ndarray,
        node_mean: np.ndarray,
        node_size: np.ndarray,
        histogram: np.ndarray,
        seed: int,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.trees = trees
        self.paths = walk(trees)
        self.cap = tf.constant(cap, tf.float32)
        self.node_mean = tf.constant(node_mean.reshape(-1), tf.float32)
        self.node_size = tf.constant(node_size.reshape(-1), tf.float32)
        # What is known once a level's first p planes are: a node, or the level itself.
        state = np.where(
            self.paths.node >= 0, self.paths.node, NODES + np.arange(LEVELS)[None, :, None]
        )
        self.state = tf.constant(state.reshape(channels * LEVELS, -1), tf.int32)
        self.place = tf.constant(self.paths.place.reshape(channels * LEVELS, -1), tf.int32)
        self.node = tf.constant(self.paths.node.reshape(channels * LEVELS, -1), tf.int32)
        self.bit = tf.constant(self.paths.bit.reshape(channels * LEVELS, -1), tf.float32)
        rng = np.random.default_rng(seed)

        def dense(rows: int, columns: int, gain: float = 1.0) -> tf.Variable:
            size = gain * np.sqrt(2.0 / max(rows, 1))
            return tf.Variable(rng.normal(0.0, size, (rows, columns)).astype(np.float32))

        self.spatial = [dense(len(t) * (2 * channels + 1), hidden, 0.5) for t in TAPS]
        self.spatial_bias = tf.Variable(tf.fill((len(PASSES), hidden), 0.3))
        self.inner = [dense(hidden, hidden) for _ in range(PLANES)]
        self.known = [dense(2 * channels, hidden, 0.5) for _ in range(PLANES)]
        self.inner_bias = tf.Variable(tf.fill((len(PASSES), PLANES, hidden), 0.3))
        self.outer = [dense(hidden, channels << d, 0.1) for d in range(DENSE_PLANES)]
        self.outer.append(dense(hidden, channels, 0.1))
        self.rest = tf.Variable(tf.zeros((PLANES, channels)))
        self.node_bias = tf.Variable(_node_logits(trees, histogram))

    def loss(self, values: tf.Tensor, levels: tf.Tensor, rests: tf.Tensor) -> tf.Tensor:
        """Bits for each position, a scalar.

        Args:
          values: float32 (maps, h, w, channels), levels less centre.
          levels: int32, residual levels in 0–63.
          rests: float32, the predictor's rests in steps.
        """
        padded = tf.pad(self._clip(values), [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)])
        inside = tf.pad(
            tf.ones_like(values[..., :1]), [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)]
        )
        h, w = values.shape[1:3]
        nats = [
            self._pass_nats(n, padded, inside, h, w, p.of(levels), p.of(rests))
            for n, p in enumerate(PASSES)
        ]
        positions = tf.cast(tf.reduce_prod(tf.shape(values)[:3]), tf.float32)
        return tf.add_n(nats) / positions / tf.math.log(2.0)

    def _clip(self, values: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(values, -self.cap, self.cap)

    def _pass_nats(self, number, padded, inside, h, w, levels, rests) -> tf.Tensor:
        c = self.channels
        levels = tf.reshape(levels, (-1, c))
        rests = tf.reshape(rests, (-1, c))
        s = _hidden(self._spatial_sum(number, padded, inside, h, w))
        flat = levels + tf.range(c) * LEVELS
        total = 0.0
        for d in range(PLANES):
            t = s @ self.inner[d] + self.inner_bias[number, d]
            if d:
                state = tf.gather(self.state[:, d], flat) + tf.range(c) * (NODES + LEVELS)
                seen = [tf.gather(self.node_mean, state), tf.gather(self.node_size, state)]
                t += tf.concat(seen, axis=-1) @ self.known[d]
            logits = _hidden(t) @ self.outer[d]
            if d < DENSE_PLANES:
                logits = tf.reshape(logits, (-1, c, 1 << d)) + (self.rest[d] * rests)[..., None]
                place = tf.one_hot(tf.gather(self.place[:, d], flat), 1 << d)
                total += self._plane_nats(d, flat, tf.reduce_sum(logits * place, -1))
            else:
                for plane in range(d, self.trees.planes):
                    total += self._plane_nats(plane, flat, logits)
        return total

    def _spatial_sum(self, number, padded, inside, h, w) -> tf.Tensor:
        if not TAPS[number]:
            rows, columns = PASSES[number].shape(h, w)
            count = tf.shape(padded)[0] * rows * columns
            return tf.zeros((count, 1)) + self.spatial_bias[number]
        views = list(_tap_views(padded, number, h, w))
        presence = list(_tap_views(inside, number, h, w))
        x = tf.concat([*views, *(tf.abs(v) for v in views), *presence], axis=-1)
        return tf.reshape(x, (-1, x.shape[-1])) @ self.spatial[number] + self.spatial_bias[number]

    def _plane_nats(self, plane: int, flat: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        node = tf.gather(self.node[:, plane], flat)
        bias = tf.gather(
            tf.reshape(self.node_bias, (-1,)),
            tf.maximum(node, 0) + tf.range(self.channels) * NODES,
        )
        nats = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=tf.gather(self.bit[:, plane], flat), logits=logits + bias
        )
        return tf.reduce_sum(tf.where(node >= 0, nats, 0.0))


def _node_logits(trees: Trees, histogram: np.ndarray) -> np.ndarray:
    """What each node answers on average: float32 (channels, 63) logits."""
    total = np.concatenate(
        [np.zeros((trees.channels, 1)), np.cumsum(histogram + 1e-3, axis=1)], axis=1
    )
    rows = np.arange(trees.channels)[:, None]
    middle = total[rows, trees.threshold + 1]
    yes = total[rows, trees.high + 1] - middle
    no = middle - total[rows, trees.low]
    return np.clip(np.log(yes + 1e-3) - np.log(no + 1e-3), -12, 12).astype(np.float32)
