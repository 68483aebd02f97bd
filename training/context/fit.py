"""Fits the coding tables of a model: counts, trains the classifier, rounds it to integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from deepsic.coding.interlace import PASSES
from deepsic.coding.tables import (
    EXACT,
    HIDDEN_BITS,
    HIDDEN_MAX,
    PLACES,
    PLANES,
    REMAINDER_BITS,
    REMAINDER_MAX,
    VALUE_BITS,
    VALUE_MAX,
    Tables,
)
from training.context.network import ContextNetwork
from training.context.statistics import Statistics, measure

BATCH = 2
RATE = 3e-3
# The most bits that the sums of a layer count in. Finer spatial weights and units make tables
# larger by a third, and files smaller by 0.02%.
SPATIAL_BITS, UNIT_BITS, OUTER_BITS = 8, HIDDEN_BITS + 6, 16


def fit(
    maps: np.ndarray,
    *,
    lowest: int,
    hidden: int = 48,
    steps: int = 3000,
    seed: int = 1,
    turns: int = 1,
    report: Callable[[int, float], None] = lambda step, bits: None,
) -> Tables:
    """Coding tables for a model's symbols.

    Args:
      maps: int8 or int16 (maps, h, w, channels), symbols of training pictures.
      lowest: the smallest symbol there is, 1 - 2**(B-1).
      hidden: units of the classifier's hidden layers.
      steps: of training, each on two maps; with none, its initial weights are kept.
      seed: of initial weights and order.
      turns: in which plane 0 asks the channels.
      report: called now and then with the step and the mean bits a position.

    Raises:
      InexactTables: if no scale makes the integer arithmetic exact.
    """
    levels = maps.astype(np.int32) - lowest
    statistics = measure(levels, 2 * (1 - lowest))
    network = ContextNetwork(statistics, hidden, seed, turns)
    if steps:
        _train(network, statistics, levels, steps, seed, report)
    return to_integers(network, statistics)


def _train(network, statistics: Statistics, levels, steps, seed, report) -> None:
    ranks, remainders = statistics.ranks(levels)
    values = (levels - statistics.centre).astype(np.float32)
    adam = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(RATE, steps))
    # The first pass has no neighbours, hence no spatial weights.
    variables = [v for v in network.trainable_variables if v.shape.num_elements()]
    # Otherwise the step is traced once more, to make the optimiser's variables.
    adam.build(variables)

    @tf.function(autograph=False)
    def step(v, r, e):
        with tf.GradientTape() as tape:
            bits = network.loss(v, r, e)
        adam.apply_gradients(zip(tape.gradient(bits, variables), variables, strict=True))
        return bits

    rng = np.random.default_rng(seed)
    total = 0.0
    for i in range(1, steps + 1):
        j = rng.integers(0, len(levels), BATCH)
        total += float(step(values[j], ranks[j], remainders[j]))
        if i % 100 == 0:
            report(i, total / 100)
            total = 0.0


def to_integers(network: ContextNetwork, statistics: Statistics) -> Tables:
    """Rounds a trained network to the finest integers that stay exact."""
    c = network.channels
    spatial, spatial_bias, spatial_bits = [], [], []
    for weights, bias in zip(network.spatial, network.spatial_bias.numpy(), strict=True):
        taps = weights.shape[0] // (c + 1)
        largest = np.tile(np.append(statistics.clip, 1), taps)
        (w,), b, bits = _round([(weights.numpy(), largest, 0)], bias, SPATIAL_BITS)
        spatial.append(w)
        spatial_bias.append(b)
        spatial_bits.append(bits)
    inner, known, inner_bias, inner_bits = [], [], [], []
    outer, remainder, remainder_size, outer_bits = [], [], [], []
    node_bias = np.zeros((c, statistics.trees.nodes), np.int32)
    for plane in range(PLANES):
        seen = network.known[plane - 1].numpy() if plane else np.zeros((2 * c, network.hidden))
        (u, k), b, bits = _round(
            [
                (network.inner[plane].numpy(), HIDDEN_MAX, HIDDEN_BITS),
                (seen, VALUE_MAX, VALUE_BITS),
            ],
            network.inner_bias.numpy()[:, plane],
            UNIT_BITS,
        )
        inner.append(u)
        known.append(k)
        inner_bias.append(b)
        inner_bits.append(bits)
        here = statistics.trees.plane == plane
        if plane == PLANES - 1:
            here = statistics.trees.plane >= plane
        biases = np.where(here, network.node_bias.numpy(), 0.0)
        repeat = PLACES[plane]
        both = (network.remainder, network.remainder_size)
        remainders = np.stack([v.numpy()[plane] for v in both])
        (o, r), b, bits = _round(
            [
                (network.outer[plane].numpy(), HIDDEN_MAX, HIDDEN_BITS),
                (np.repeat(remainders, repeat, axis=1), REMAINDER_MAX, REMAINDER_BITS),
            ],
            np.repeat(biases, repeat, axis=0).T,
            OUTER_BITS,
        )
        outer.append(o)
        remainder.append(r[0, ::repeat])
        remainder_size.append(r[1, ::repeat])
        outer_bits.append(bits)
        node_bias += b.T[::repeat]
    layers = [np.zeros((0, network.hidden + c, network.hidden))]
    turn_bias, turn_bits = [], []
    for number, weights in enumerate(network.turn_inner):
        # What is asked later is not known, and was not when this was trained.
        seen = network.turn_known[number].numpy() * (network.turn <= number)[:, None]
        rounded, b, bits = _round(
            [(weights.numpy(), HIDDEN_MAX, HIDDEN_BITS), (seen, 1, 0)],
            network.turn_bias.numpy()[:, number],
            UNIT_BITS,
        )
        layers.append(np.concatenate(rounded)[None])
        turn_bias.append(b)
        turn_bits.append(bits)
    turn_layers = np.concatenate(layers).astype(np.int32)
    return Tables(
        centre=statistics.centre,
        clip=statistics.clip,
        predicted=statistics.predicted,
        predictor=tuple(statistics.predictor),
        spatial=tuple(spatial),
        spatial_bias=np.stack(spatial_bias),
        inner=np.stack(inner),
        known=np.stack(known),
        inner_bias=np.stack(inner_bias, axis=1),
        outer=tuple(outer),
        turn=network.turn,
        turn_inner=turn_layers[:, : network.hidden],
        turn_known=turn_layers[:, network.hidden :],
        turn_bias=np.reshape(
            np.array(turn_bias, np.int32), (-1, len(PASSES), network.hidden)
        ).swapaxes(0, 1),
        remainder=np.stack(remainder),
        remainder_size=np.stack(remainder_size),
        node_bias=node_bias,
        spatial_bits=np.array(spatial_bits),
        inner_bits=np.array(inner_bits),
        turn_bits=np.array(turn_bits, np.int32),
        outer_bits=np.array(outer_bits),
        node_mean=statistics.node_mean,
        node_size=statistics.node_size,
        histogram=statistics.histogram.astype(np.int32),
        reach=statistics.reach.astype(np.int32),
        trees=statistics.trees,
    )


def _round(
    parts: list[tuple[np.ndarray, np.ndarray | int, int]], bias: np.ndarray, finest: int
) -> tuple[list[np.ndarray], np.ndarray, int]:
    """Rounds one layer's weights to integers of one scale.

    Args:
      parts: weights (inputs, units), the largest input, and the inputs' own bits.
      bias: (…, units).
      finest: the most bits.

    Returns:
      The parts' integers, the bias's, and the bits in which their sums count.
    """
    for bits in range(finest, 4, -1):
        scaled = [np.rint(w * 2.0 ** (bits - own)) for w, _, own in parts]
        whole = np.rint(bias * 2.0**bits)
        top = np.abs(whole).reshape(-1, whole.shape[-1]).max(axis=0)
        for w, (_, largest, _) in zip(scaled, parts, strict=True):
            top = top + np.broadcast_to(largest, len(w)) @ np.abs(w)
        # Half of what is exact leaves room for sums of one layer's parts in any order.
        if top.max() < EXACT // 2:
            return [w.astype(np.int32) for w in scaled], whole.astype(np.int32), bits
    raise ValueError("the classifier's weights are too large to be exact in integers.")
