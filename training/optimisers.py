"""Adam with a schedule, one for each kind of variable (section IV-B)."""

from __future__ import annotations

import dataclasses
import math

import tensorflow as tf

from models import replicas
from models.deepsic import DeepSIC
from training.settings import TrainSettings


class Schedule(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Warm-up, then two decays by five (the paper's) or half a cosine."""

    def __init__(self, base: float, settings: TrainSettings) -> None:
        self.base = base
        self.settings = settings

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        s = self.settings
        step = tf.cast(step, tf.float32)
        done = step / max(s.steps, 1)
        if s.schedule == "cosine":
            rate = 0.5 * (1.0 + tf.cos(math.pi * tf.minimum(done, 1.0)))
        else:
            rate = tf.ones(())
            for point in s.decay_at:
                rate = rate / tf.where(done >= point, s.decay, 1.0)
        if s.warmup:
            rate = rate * tf.minimum((step + 1.0) / s.warmup, 1.0)
        return self.base * rate

    def get_config(self) -> dict:
        return {"base": self.base, "settings": self.settings}


class Optimisers(tf.Module):
    """One Adam each for the networks, the prior and the head's fully connected layers."""

    def __init__(self, model: DeepSIC, settings: TrainSettings) -> None:
        super().__init__()
        self.settings = settings
        parts = {name: getattr(model, name).trainable_variables for name in settings.parts}
        fc = {id(v) for v in model.semantics.fully_connected}
        networks = [v for name, vs in parts.items() if name != "prior" for v in vs]
        rate_term = list(parts.get("prior", []))
        self.groups = [
            ([v for v in networks if id(v) not in fc], settings.lr),
            (rate_term, settings.prior_lr),
            ([v for v in networks if id(v) in fc], settings.lr * settings.fc_lr_factor),
        ]
        self.groups = [(vs, lr) for vs, lr in self.groups if vs]
        self.adams = [self._adam(lr, vs is rate_term) for vs, lr in self.groups]
        for adam, (variables, _) in zip(self.adams, self.groups, strict=True):
            adam.build(variables)
        # Medians and batch statistics belong to the weights, and are averaged with them.
        self.statistics = [
            v for name in settings.parts for v in getattr(model, name).non_trainable_variables
        ]
        self.averages = [self._average_of(v) for v in self.statistics if settings.ema]

    @staticmethod
    def _average_of(variable: tf.Variable) -> tf.Variable:
        return tf.Variable(variable.read_value(), trainable=False, **replicas.ALIKE)

    def _adam(self, lr: float, ahead: bool) -> tf.keras.optimizers.Optimizer:
        """Adam for one group; a context-aware rate term goes ahead of the networks."""
        ema, settings = self.settings.ema, self.settings
        if ahead and settings.rate == "context":
            settings = dataclasses.replace(settings, warmup=min(settings.warmup, 50))
        return tf.keras.optimizers.Adam(
            Schedule(lr, settings), use_ema=bool(ema), ema_momentum=ema or 0.99
        )

    @property
    def variables_to_train(self) -> list[tf.Variable]:
        """Every variable that learns, in the order that `apply` takes gradients."""
        return [v for variables, _ in self.groups for v in variables]

    def apply(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """One step; returns the gradient's global norm.

        A gradient that is not finite counts as zero, so one bad batch does no harm. Replicas
        add theirs up first: the norm that is clipped is that of the global batch.
        """
        gradients = replicas.total([tf.convert_to_tensor(g) for g in gradients])
        norm = tf.linalg.global_norm(gradients)
        fine = tf.math.is_finite(norm)
        factor = tf.ones(())
        if self.settings.clip:
            factor = tf.minimum(1.0, self.settings.clip / tf.maximum(norm, 1e-12))
        gradients = [tf.where(fine, g * factor, tf.zeros_like(g)) for g in gradients]
        start = 0
        for adam, (variables, _) in zip(self.adams, self.groups, strict=True):
            end = start + len(variables)
            adam.apply_gradients(
                zip(gradients[start:end], variables, strict=True), skip_gradients_aggregation=True
            )
            start = end
        return norm

    def average_statistics(self) -> None:
        """Moves the averages of the statistics on by one step."""
        for average, variable in zip(self.averages, self.statistics, strict=bool(self.averages)):
            average.assign_add((1.0 - self.settings.ema) * (variable - average))

    def use_averages(self) -> None:
        """Replaces weights and statistics by their moving averages, if these are kept."""
        if not self.settings.ema:
            return
        for adam, (variables, _) in zip(self.adams, self.groups, strict=True):
            adam.finalize_variable_values(variables)
        for average, variable in zip(self.averages, self.statistics, strict=True):
            variable.assign(average.read_value())
