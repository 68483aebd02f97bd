"""The pretrained head's map: least squares, then what a teacher sees in the original.

The codec and the network at the head's end stay as they are; the map between them learns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from deepsic.pretrained import get_map_side
from models.deepsic import DeepSIC
from training.linear_map import solve
from training.settings import TrainSettings
from training.teacher import SIDE, Lesson

# Sides that pictures are compressed at; one alone does not carry over to others.
SIDES = (128, 176, 224, 256)
# Pictures that the least squares see.
SOLVED = 384
_BATCH = 16


def seen(model: DeepSIC) -> Callable[[tf.Tensor], tf.Tensor]:
    """From pictures to what the head sees, at any of the model's rates.

    Low rates, which leave the least to see, come more often.
    """

    def network(x: tf.Tensor) -> tf.Tensor:
        place = tf.square(tf.random.uniform(tf.shape(x)[:1]))
        gains = model.config.gains
        return model.seen(x, place * (gains - 1.0) if gains else None)

    return network


def solve_map(model: DeepSIC, lesson: Lesson, seed: int) -> None:
    """Sets the map to the least squares' solution, over pictures of several sides."""
    x = lesson.x[:SOLVED]

    def batches() -> Iterator[np.ndarray]:
        for number, start in enumerate(range(0, len(x), _BATCH)):
            side = SIDES[(number + seed) % len(SIDES)]
            yield _shrunk(tf.constant(x[start : start + _BATCH]), side).numpy()

    config = model.config
    kernel, bias = solve(seen(model), batches(), config.stride, get_map_side(config))
    model.semantics.map.kernel.assign(kernel)
    model.semantics.map.bias.assign(bias)


def distil(
    model: DeepSIC, lesson: Lesson, settings: TrainSettings, report: Callable[[int, float], None]
) -> None:
    """Has the head answer as the teacher does on the original: KL divergence, in nats.

    Args:
      model: whose map is solved.
      lesson: pictures and answers.
      settings: `steps`, `batch`, `clip`, `warmup`, `seed`; `lr` is in standard deviations of
        the map's weights.
      report: gets the steps done and the mean divergence since the last report.
    """
    step = _Step(model, lesson, settings)
    rng = np.random.default_rng(settings.seed)
    total, since = 0.0, 0
    steps = tqdm(range(settings.steps), desc="distil", disable=not sys.stderr.isatty())
    for number in steps:
        chosen = rng.choice(len(lesson.x), settings.batch)
        x = lesson.x[chosen][:, :, :: rng.choice((1, -1))]
        side = SIDES[rng.integers(len(SIDES))]
        answers = lesson.answers[chosen].astype(np.float32)
        total += float(step(number, x, answers, side))
        since += 1
        if since == 20 or number + 1 == settings.steps:
            report(number + 1, total / since)
            total, since = 0.0, 0
    step.finish()


class _Step:
    """Adam on the map, of features that are divided by their channels' spread.

    Without that division quiet channels, whose weights are large, would hardly move.
    """

    def __init__(self, model: DeepSIC, lesson: Lesson, settings: TrainSettings) -> None:
        self._model, self._settings, self._seen = model, settings, seen(model)
        f = self._seen(tf.cast(_shrunk(tf.constant(lesson.x[:_BATCH]), 224), tf.float32))
        self._spread = tf.maximum(tf.math.reduce_std(f, (0, 1, 2)), 1e-4)
        head = model.semantics.map
        self._kernel = tf.Variable(head.kernel * self._spread[:, None])
        self._bias = tf.Variable(head.bias)
        self._unit = float(tf.math.reduce_std(self._kernel))
        self._adam = tf.keras.optimizers.Adam(0.0)
        self._adam.build([self._kernel, self._bias])
        self._compiled = tf.function(self._run, autograph=False)

    def __call__(self, number: int, x: np.ndarray, answers: np.ndarray, side: int) -> tf.Tensor:
        s = self._settings
        warm = min(1.0, (number + 1) / max(1, s.warmup))
        rate = s.lr * warm * 0.5 * (1 + np.cos(np.pi * number / s.steps))
        self._adam.learning_rate = rate * self._unit
        return self._compiled(tf.constant(x), tf.constant(answers), side)

    def _run(self, x: tf.Tensor, answers: tf.Tensor, side: int) -> tf.Tensor:
        head, variables = self._model.semantics, [self._kernel, self._bias]
        f = self._seen(tf.cast(_shrunk(x, side), tf.float32)) / self._spread
        with tf.GradientTape() as tape:
            y = tf.nn.conv2d(f, self._kernel, 1, "SAME") + self._bias
            y = tf.clip_by_value(tf.nn.depth_to_space(y, head.stride), 0.0, 255.0)
            log_p = tf.nn.log_softmax(head.recognise(head.fit(y)))
            known = tf.math.xlogy(answers, answers)
            loss = tf.reduce_mean(tf.reduce_sum(known - answers * log_p, axis=1))
        gradients = tape.gradient(loss, variables)
        if self._settings.clip:
            gradients, _ = tf.clip_by_global_norm(gradients, self._settings.clip)
        self._adam.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    def finish(self) -> None:
        """Gives the model what was learned."""
        self._model.semantics.map.kernel.assign(self._kernel / self._spread[:, None])
        self._model.semantics.map.bias.assign(self._bias)


def _shrunk(x: tf.Tensor, side: int) -> tf.Tensor:
    """Pictures of SIDE at another side, uint8."""
    if side == SIDE:
        return x
    y = tf.image.resize(tf.cast(x, tf.float32), (side, side), "bicubic", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(y), 0.0, 255.0), tf.uint8)
