"""The weights of the last step or their moving averages: whichever make the better model.

Averages are better at the end of a run whose rate has decayed. At a high rate the
weights drift along directions that cost nothing, and what lies between them is worse.
"""

from __future__ import annotations

import math

import tensorflow as tf

from data.sources import Source
from models.deepsic import DeepSIC
from training.batches import batches_of
from training.loss import joint_loss, truth_of
from training.optimisers import Optimisers
from training.rates import draw_rates
from training.settings import TrainSettings

# Training patches that are compared on.
PATCHES = 128


def use_better(
    model: DeepSIC,
    optimisers: Optimisers,
    settings: TrainSettings,
    source: Source,
    extra: Source | None,
) -> bool:
    """Leaves the model with the weights of the lower loss, as it is at work: quantised.

    Returns:
      Whether these are the averages.
    """
    if not settings.ema:
        return False
    variables = [*optimisers.variables_to_train, *optimisers.statistics]
    last = [v.numpy() for v in variables]
    loss_of_last = _loss(model, settings, source, extra)
    optimisers.use_averages()
    if _loss(model, settings, source, extra) <= loss_of_last or math.isnan(loss_of_last):
        return True
    for variable, value in zip(variables, last, strict=True):
        variable.assign(value)
    return False


def _loss(model: DeepSIC, settings: TrainSettings, source: Source, extra: Source | None) -> float:
    """Mean of eq. 4 over patches that are the same at every call."""
    s = settings
    batch = min(8, source.count)

    @tf.function(autograph=False)
    def total(x: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        rates = draw_rates(s, model.config.gains, x.shape[0], tf.constant([s.seed, 0]))
        out = model(x, rates.rate_index)
        truth = truth_of(model, x, label, "semantics" in s.parts)
        weights = (rates.lambda1, s.lambda2, s.label_smoothing, rates.weights)
        return joint_loss(x, out.x_hat, out.bits, out.logits, truth, *weights).total

    batches = next(batches_of(s, source, extra, batch=batch, seed=s.seed + 3))
    losses = [total(b["x"], b["label"]) for b in batches.take(max(1, PATCHES // batch))]
    return float(tf.add_n(losses)) / len(losses)
