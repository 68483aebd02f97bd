"""Everything that decides how a model is trained; the flags of train.py, one for one."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import ClassVar

from deepsic.config import PARTS


def _check(settings, names: tuple[str, ...], what: str, fits: Callable[[float], bool]) -> None:
    for name in names:
        value = getattr(settings, name)
        if not (math.isfinite(value) and fits(value)):
            raise ValueError(f"--{settings.PREFIX}{name} must be {what}, not {value}.")


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How to train. Defaults are the paper's (section IV-B) where it gives them.

    Attributes:
      lambda1: weight of D (mean squared error, 0–255 scale) in eq. 4.
      lambda1_top: λ1 of the highest rate of a model with gains, whose lowest has lambda1.
      lambda2: weight of L_sem (nats) in eq. 4.
      steps: iterations.
      batch: patches an iteration, over all replicas.
      patch: side of a patch, pixels.
      least_area: smallest share of a picture that a patch shows.
      crop: `resized` cuts a random part and resizes it to the patch, `plain` cuts patches
        from pictures as they are.
      extra_share: share of unlabelled pictures in a batch, if there are any.
      seed: of initialisation, order, crops and noise.
      lr: initial rate of the networks.
      prior_lr: initial rate of the factorised prior.
      fc_lr_factor: the fully connected layers' rate over the networks'.
      schedule: `steps` divides the rate by `decay` at each of `decay_at`;
        `cosine` lets it fall to zero along half a cosine.
      decay, decay_at: see `schedule`; fractions of `steps`.
      warmup: steps over which the rate rises from zero.
      clip: largest global norm of the networks' gradient; 0 for none.
      ema: momentum of the moving average of the weights; 0 for none.
      rate: what measures R, `marginal` (eq. 5) or `context`, see `models.context_rate`.
      surrogate: `noise`, `mixed` or `soft`, see `models.deepsic.DeepSIC.call`.
      precision: of the convolutions in training, `float32` or `bfloat16`; the latter is
        faster where the processor multiplies it.
      start: `random` kernels or the `linear` block transform.
      init_scale: factor of the features of the model that training starts from, see
        `training.rescale`.
      parts: the parts of the model that learn.
      label_smoothing: share of a label that is spread over all classes.
    """

    PREFIX: ClassVar[str] = ""
    lambda1: float = 0.01
    lambda1_top: float = 0.01
    lambda2: float = 0.1
    steps: int = 8_000_000
    batch: int = 32
    patch: int = 128
    least_area: float = 0.25
    crop: str = "resized"
    extra_share: float = 0.5
    seed: int = 1
    lr: float = 0.003
    prior_lr: float = 0.003
    fc_lr_factor: float = 1.0
    schedule: str = "steps"
    decay: float = 5.0
    decay_at: tuple[float, ...] = (0.5, 0.8)
    warmup: int = 0
    clip: float = 0.0
    ema: float = 0.0
    rate: str = "marginal"
    surrogate: str = "noise"
    precision: str = "float32"
    start: str = "random"
    init_scale: float = 1.0
    parts: tuple[str, ...] = PARTS
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError, with the flag's name, for what cannot be trained with."""
        positive = ("steps", "batch", "patch", "init_scale", "decay")
        not_negative = (
            "lambda1",
            "lambda1_top",
            "lambda2",
            "lr",
            "prior_lr",
            "fc_lr_factor",
            "warmup",
            "clip",
        )
        _check(self, positive, "positive", lambda v: v > 0)
        _check(self, not_negative, "0 or more", lambda v: v >= 0)
        _check(self, ("extra_share",), "0 to 1", lambda v: 0 <= v <= 1)
        _check(self, ("least_area",), "more than 0, at most 1", lambda v: 0 < v <= 1)
        _check(self, ("ema", "label_smoothing"), "0 or more, less than 1", lambda v: 0 <= v < 1)
        _check(self, ("seed",), "from 0 to 4294967295", lambda v: 0 <= v < 1 << 32)
        if not all(0 < share < 1 for share in self.decay_at):
            raise ValueError("--decay_at takes shares of the run, between 0 and 1.")

    def to_json(self) -> str:
        """The settings as indented JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


@dataclasses.dataclass(frozen=True)
class ContextSettings:
    """How the context classifier is fitted; the --context_* flags of train.py.

    Attributes:
      steps: iterations.
      hidden: units of the classifier's hidden layers.
      maps: patches whose symbols it is trained on.
      patch: side of those patches, pixels.
      least_area: smallest share of a picture that one shows.
      crop: see `TrainSettings`.
      extra_share: share of unlabelled pictures among them.
    """

    PREFIX: ClassVar[str] = "context_"
    steps: int = 3000
    hidden: int = 48
    maps: int = 800
    patch: int = 256
    least_area: float = 0.5
    crop: str = "resized"
    extra_share: float = 0.6

    def __post_init__(self) -> None:
        """Raises ValueError, with the flag's name, for what cannot be fitted with."""
        _check(self, ("steps", "hidden", "maps", "patch"), "positive", lambda v: v > 0)
        _check(self, ("extra_share",), "0 to 1", lambda v: 0 <= v <= 1)
        _check(self, ("least_area",), "more than 0, at most 1", lambda v: 0 < v <= 1)
