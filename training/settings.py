"""Everything that decides how a model is trained; the flags of train.py are made from it."""

from __future__ import annotations

import dataclasses
import json
from typing import ClassVar, Literal

from deepsic.config import PARTS, Part
from deepsic.fields import BEYOND, CONTEXT, EVERYDAY, PAPER, check, setting

Crop = Literal["resized", "plain"]
# Ranges that several settings share.
POSITIVE = {"least": 1}
NOT_NEGATIVE = {"least": 0}
SHARE = {"least": 0, "most": 1}
AREA = {"above": 0, "most": 1}
MOMENTUM = {"least": 0, "below": 1}


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How to train. Defaults are the paper's (section IV-B) where it gives them.

    Each field's help says what it is.

    Raises:
      ValueError: for what cannot be trained with, by the name of its flag.
    """

    PREFIX: ClassVar[str] = ""

    lambda1: float = setting(
        0.01,
        EVERYDAY,
        "Weight of the distortion D, the mean squared error on the 0-255 scale, beside the rate R"
        " in bits per pixel (eq. 4).",
        **NOT_NEGATIVE,
    )
    lambda1_top: float = setting(
        0.01,
        BEYOND,
        "Weight of D at the highest rate of a model with --gains; --lambda1 is that at the lowest.",
        **NOT_NEGATIVE,
    )
    lambda2: float = setting(
        0.1,
        EVERYDAY,
        "Weight of the semantic loss, the cross entropy in nats, beside R in bits per pixel"
        " (eq. 4).",
        **NOT_NEGATIVE,
    )
    steps: int = setting(8_000_000, EVERYDAY, "Number of iterations.", **POSITIVE)
    batch: int = setting(
        32, EVERYDAY, "Number of patches in an iteration, over all devices.", **POSITIVE
    )
    patch: int = setting(128, PAPER, "Side of the square training patches, pixels.", **POSITIVE)
    least_area: float = setting(
        0.25, BEYOND, "Smallest share of a picture's area that a resized patch shows.", **AREA
    )
    crop: Crop = setting(
        "resized",
        BEYOND,
        "How patches are cut: `resized` cuts a random part and resizes it to the patch, `plain`"
        " cuts patches from pictures as they are.",
    )
    extra_share: float = setting(
        0.5, EVERYDAY, "Share of a batch that comes from --extra_images.", **SHARE
    )
    seed: int = setting(
        1,
        EVERYDAY,
        "Seed of the initialisation, the order, the crops and the noise.",
        least=0,
        most=(1 << 32) - 1,
    )
    lr: float = setting(0.003, PAPER, "Initial learning rate of the networks.", **NOT_NEGATIVE)
    prior_lr: float = setting(0.003, PAPER, "Initial learning rate of the prior.", **NOT_NEGATIVE)
    fc_lr_factor: float = setting(
        1.0,
        BEYOND,
        "Learning rate of the fully connected layers, as a multiple of --lr.",
        **NOT_NEGATIVE,
    )
    schedule: Literal["steps", "cosine"] = setting(
        "steps",
        BEYOND,
        "How the learning rates fall: `steps` divides them by --decay at each of --decay_at,"
        " `cosine` lets them fall to zero along half a cosine.",
    )
    decay: float = setting(
        5.0, PAPER, "Divisor of the learning rates at each of --decay_at.", above=0
    )
    decay_at: tuple[float, ...] = setting(
        (0.5, 0.8), PAPER, "Moments of the decays, as shares of --steps.", above=0, below=1
    )
    warmup: int = setting(
        0, BEYOND, "Number of iterations over which the learning rates rise.", **NOT_NEGATIVE
    )
    clip: float = setting(
        0.0,
        BEYOND,
        "Largest global norm of the networks' gradient; 0 means no limit.",
        **NOT_NEGATIVE,
    )
    ema: float = setting(
        0.0, BEYOND, "Momentum of the weights' moving average; 0 means no average.", **MOMENTUM
    )
    rate: Literal["marginal", "context"] = setting(
        "marginal",
        BEYOND,
        "What measures R: `marginal` is the factorised prior (eq. 5), `context` also sees a"
        " symbol's neighbours.",
    )
    surrogate: Literal["noise", "mixed", "soft"] = setting(
        "noise",
        BEYOND,
        "What the decoder sees in training: `noise` gives it the noisy features, `mixed` the"
        " quantised ones with a straight-through gradient, `soft` the same, and rounds softly"
        " what R is measured on.",
    )
    precision: Literal["float32", "bfloat16"] = setting(
        "float32",
        BEYOND,
        "Number format of the convolutions in training; bfloat16 is faster where the processor"
        " multiplies it.",
    )
    start: Literal["random", "linear"] = setting(
        "random", BEYOND, "Initial kernels: `linear` makes them a linear block transform."
    )
    init_scale: float = setting(
        1.0,
        BEYOND,
        "Factor on the features of --init_from's model; for another rate, the square root of the"
        " new --lambda1 over the old one.",
        above=0,
    )
    parts: tuple[Part, ...] = setting(
        PARTS, BEYOND, f"Parts of the model that learn, of {', '.join(PARTS)}."
    )
    label_smoothing: float = setting(
        0.0, BEYOND, "Share of each label that is spread over all classes.", **MOMENTUM
    )

    def __post_init__(self) -> None:
        check(self, f"--{self.PREFIX}")

    def to_json(self) -> str:
        """The settings as indented JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


@dataclasses.dataclass(frozen=True)
class ContextSettings:
    """How the context classifier is fitted.

    Each field's help says what it is.

    Raises:
      ValueError: for what cannot be fitted with, by the name of its flag.
    """

    PREFIX: ClassVar[str] = "context_"

    steps: int = setting(3000, CONTEXT, "Number of iterations.", **POSITIVE)
    hidden: int = setting(48, CONTEXT, "Number of units in each hidden layer.", **POSITIVE)
    turns: int = setting(
        1,
        CONTEXT,
        "Number of turns in which a position's symbols are told from zero: each knows the ones"
        " before.",
        **POSITIVE,
    )
    per_gain: int = setting(
        2,
        CONTEXT,
        "Number of tables from one rate of a model with --gains to the next.",
        **POSITIVE,
    )
    maps: int = setting(
        800, CONTEXT, "Number of patches whose symbols the classifier is fitted to.", **POSITIVE
    )
    patch: int = setting(256, CONTEXT, "Side of the classifier's patches, pixels.", **POSITIVE)
    least_area: float = setting(
        0.5, CONTEXT, "Smallest share of a picture's area that a resized patch shows.", **AREA
    )
    crop: Crop = setting("resized", CONTEXT, "How the classifier's patches are cut; see --crop.")
    extra_share: float = setting(
        0.6, CONTEXT, "Share of the classifier's patches that comes from --extra_images.", **SHARE
    )

    def __post_init__(self) -> None:
        check(self, f"--{self.PREFIX}")
