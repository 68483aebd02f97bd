"""One iteration: forward, eq. 4, backward, Adam."""

from __future__ import annotations

import tensorflow as tf

from models import replicas
from models.deepsic import DeepSIC
from training.loss import Losses, joint_loss, truth_of
from training.optimisers import Optimisers
from training.rates import draw_rates
from training.settings import TrainSettings


class TrainStep:
    """A compiled training step under a distribution strategy.

    Attributes:
      step: int64 variable, iterations done.
      skipped: int64 variable, iterations whose gradient was not finite.
      in_a_row: int64 variable, such iterations without a good one between.
    """

    def __init__(
        self,
        model: DeepSIC,
        optimisers: Optimisers,
        settings: TrainSettings,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self.model = model
        self.optimisers = optimisers
        self.settings = settings
        self.strategy = strategy
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.skipped = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.in_a_row = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._compiled = tf.function(self._distributed, autograph=False)

    def __call__(self, batch) -> Losses:
        """Runs one step; returns the means over all replicas."""
        return self._compiled(batch)

    def _distributed(self, batch) -> Losses:
        per_replica, norms = self.strategy.run(self._replica, args=(batch, self.step))
        losses = Losses(*(self.strategy.reduce("MEAN", v, axis=None) for v in per_replica))
        norm = self.strategy.reduce("MEAN", norms, axis=None)
        bad = tf.cast(~tf.math.is_finite(norm), tf.int64)
        self.step.assign_add(1)
        self.skipped.assign_add(bad)
        self.in_a_row.assign((self.in_a_row + 1) * bad)
        return losses

    def _replica(self, batch, step: tf.Tensor) -> tuple[Losses, tf.Tensor]:
        s = self.settings
        # One seed for all replicas: each takes its own rows of what is drawn for the batch.
        seed = tf.stack([tf.constant(s.seed, tf.int64), step])
        rates = draw_rates(s, self.model.config.gains, batch["x"].shape[0], seed + 2)
        statistics = self.optimisers.statistics
        before = [tf.identity(v) for v in statistics]
        truth = truth_of(self.model, batch["x"], batch["label"], "semantics" in s.parts)
        with tf.GradientTape() as tape:
            outputs = self.model(
                batch["x"],
                rates.rate_index,
                training=True,
                seed=seed,
                surrogate=s.surrogate,
                parts=s.parts,
            )
            losses = joint_loss(
                batch["x"],
                outputs.x_hat,
                outputs.bits,
                outputs.logits,
                truth,
                rates.lambda1,
                s.lambda2,
                s.label_smoothing,
                rates.weights,
            )
            # The optimisers sum over replicas.
            objective = losses.total / replicas.count()
        variables = self.optimisers.variables_to_train
        gradients = tape.gradient(
            objective, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        still = {id(v) for v in self.model.features.shifts}
        gradients = [
            tf.zeros_like(v) if id(v) in still else g
            for v, g in zip(variables, gradients, strict=True)
        ]
        norm = self.optimisers.apply(gradients)
        # Medians and batch statistics of a bad batch must not stay.
        for variable, old in zip(statistics, before, strict=True):
            variable.assign(tf.where(tf.math.is_finite(norm), variable, old))
        self.optimisers.average_statistics()
        return losses, norm
