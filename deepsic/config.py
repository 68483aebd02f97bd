"""What a model is made of: the frozen configuration stored beside its weights."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, Literal, get_args

from deepsic.container import HIGHEST_STEP, LOWEST_STEP
from deepsic.fields import BEYOND, EVERYDAY, PAPER, check, setting

Arch = Literal["pre", "post"]
Normalisation = Literal["batch", "gdn"]
Head = Literal["paper", "pretrained"]
HeadInput = Literal["features", "decoder"]
# Parts of a model, as attributes of `models.deepsic.DeepSIC`.
Part = Literal["features", "prior", "reconstruction", "semantics"]
PARTS: tuple[Part, ...] = get_args(Part)

STAGES = 4
# Classes of the network that a pretrained head ends with.
PRETRAINED_CLASSES = 1000
# How finely a file may choose between two rates of a model with gains; there are 8 at most.
STEPS_PER_GAIN = 32
# How many steps go on beyond the highest rate; as many go on beyond the lowest.
STEPS_BEYOND = -LOWEST_STEP
# Larger models are refused before anything is allocated: 256 MB of float32.
MOST_PARAMETERS = 1 << 26
# Ranges of settings that are widths, and of those that are depths.
WIDTH = {"least": 1, "most": 65536}
DEPTH = {"least": 0, "most": 16}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Hyper-parameters of a DeepSIC network (sections III and IV-B of the paper).

    Each field's help says what it is.

    Raises:
      ValueError: for a field of another type or out of range, by its name.
    """

    arch: Arch = setting(
        "pre",
        EVERYDAY,
        "Where the semantic head stands: `pre` classifies the encoder's float features and writes"
        " the label into the file, `post` classifies the decoder's dequantised features.",
    )
    filters: int = setting(128, PAPER, "Number of filters of each stage.", **WIDTH)
    latents: int = setting(
        128,
        PAPER,
        "Number of channels that are coded; exported models drop those that carry nothing.",
        **WIDTH,
    )
    kernels: tuple[int, ...] = setting(
        (7, 5, 3, 3), PAPER, "Sides of the four stages' square kernels, samples.", least=1, most=15
    )
    strides: tuple[int, ...] = setting(
        (4, 2, 1, 1),
        PAPER,
        "Subsampling factors of the four stages, each 1, 2 or 4; their product is the stride of"
        " the features in pixels.",
        least=1,
        most=4,
    )
    bits: int = setting(
        6, PAPER, "Bits of a quantised feature, B of eq. 1: it has 2**B levels.", least=1, most=8
    )
    # Cui et al. 2021.
    gains: int = setting(
        0,
        BEYOND,
        "Number of rates that one model knows, each with a gain for every channel; 0 means one"
        " rate without gains.",
        least=0,
        most=8,
    )
    blocks: int = setting(
        0,
        BEYOND,
        "Number of residual blocks at the coarsest resolution of the feature extractor.",
        **DEPTH,
    )
    decoder_blocks: int = setting(
        0,
        BEYOND,
        "Number of residual blocks at the coarsest resolution of the reconstruction.",
        **DEPTH,
    )
    normalisation: Normalisation = setting(
        "batch",
        BEYOND,
        "Normalisation after each stage: `batch` is the paper's, `gdn` is that of Ballé (2017).",
    )
    skip_gain: float = setting(
        1.0,
        BEYOND,
        "Initial gain of each path that jumps over a stage or interpolates around it; the gains"
        " are learned.",
        above=-1e6,
        below=1e6,
    )
    classes: int = setting(1000, None, "Number of classes; the data set decides it.", **WIDTH)
    head: Head = setting(
        "paper",
        BEYOND,
        "Semantic head: `paper` is that of section III-D, trained from labels; `pretrained` maps"
        " the features of a finished codec to pixels for a pretrained network of ImageNet's"
        " classes.",
    )
    head_input: HeadInput = setting(
        "features",
        BEYOND,
        "What the map of a pretrained head reads: `features`, or `decoder`, what the decoder's"
        " first stages, those of stride 1, make of them.",
    )
    head_width: int = setting(
        128, PAPER, "Number of filters of the head's first convolution.", **WIDTH
    )
    head_depth: int = setting(
        0,
        BEYOND,
        "Number of residual blocks after each of the head's first three convolutions.",
        **DEPTH,
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernels", tuple(self.kernels))
        object.__setattr__(self, "strides", tuple(self.strides))
        check(self)
        if self.head == "pretrained" and self.classes != PRETRAINED_CLASSES:
            raise ValueError(
                f"a pretrained head has {PRETRAINED_CLASSES} classes, not {self.classes}."
            )
        if self.head_input == "decoder" and self.head != "pretrained":
            raise ValueError("head_input is a choice of pretrained heads only.")
        if self.head_input == "decoder" and not 0 < self.first_stages < STAGES:
            raise ValueError(f"head_input=decoder: strides must end with 1, not be {self.strides}.")
        if len(self.kernels) != STAGES or len(self.strides) != STAGES:
            raise ValueError(
                f"kernels and strides take {STAGES} numbers each, "
                f"not {self.kernels} and {self.strides}."
            )
        if any(s not in (1, 2, 4) for s in self.strides):
            raise ValueError(f"strides must be 1, 2 or 4, not {self.strides}.")
        if any(k < s for k, s in zip(self.kernels, self.strides, strict=True)):
            raise ValueError(f"kernels must cover their strides, not be {self.kernels}.")
        if self.parameters > MOST_PARAMETERS:
            raise ValueError(
                f"that model would have about {self.parameters} parameters, more than"
                f" {MOST_PARAMETERS}; lower filters, latents or head_width."
            )

    @property
    def parameters(self) -> int:
        """How many numbers the model learns, to within a few percent."""
        f, c, w = self.filters, self.latents, self.head_width
        widths = (3, f, f, f, c)
        transforms = sum(
            2 * k * k * a * b for k, a, b in zip(self.kernels, widths, widths[1:], strict=False)
        )
        gdn = 6 * f * f if self.normalisation == "gdn" else 0
        residual = 2 * self.head_depth * 29 * w * w // 4
        if self.head == "pretrained":
            return transforms + gdn + 75 * self.map_inputs * self.stride**2
        head = 9 * (c * w + 17 * w * w // 2 + residual) + 4 * w * w + 2 * w * self.classes
        blocks = (self.blocks + self.decoder_blocks) * 9 * f * f
        return transforms + gdn + blocks + head

    @property
    def stride(self) -> int:
        """Pixels of the picture per feature, along one side."""
        total = 1
        for s in self.strides:
            total *= s
        return total

    @property
    def first_stages(self) -> int:
        """How many of the decoder's stages work at the resolution of the features."""
        return next((i for i, s in enumerate(reversed(self.strides)) if s > 1), STAGES)

    @property
    def map_inputs(self) -> int:
        """Channels of what the map of a pretrained head reads."""
        return self.latents if self.head_input == "features" else self.filters

    @property
    def can_refine(self) -> bool:
        """Whether its folder has the decoder's gradient, for `deepsic.refine`."""
        return self.normalisation == "gdn"

    @property
    def trained_steps(self) -> range:
        """The quantiser steps from the lowest trained rate to the highest; one without gains."""
        return range((max(self.gains, 1) - 1) * STEPS_PER_GAIN + 1)

    @property
    def steps(self) -> range:
        """All that a file may choose from: gains go on beyond the rates that were trained."""
        if self.gains < 2:
            return self.trained_steps
        most = min(self.trained_steps[-1] + STEPS_BEYOND, HIGHEST_STEP)
        return range(LOWEST_STEP, most + 1)

    def get_rate_index(self, step: int) -> float:
        """Where a step stands between the model's rates, which are 0 to gains - 1.

        Raises:
          ValueError: if the model has no such step.
        """
        if step not in self.steps:
            first, last = self.steps[0], self.steps[-1]
            raise ValueError(f"the model has the steps {first} to {last}, not {step}.")
        return step / STEPS_PER_GAIN

    def to_json(self) -> str:
        """The configuration as indented JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Builds a configuration from parsed JSON.

        Raises:
          ValueError: on unknown names, or values out of range.
        """
        names = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(values) - names)
        if unknown:
            raise ValueError(f"unknown model settings: {', '.join(unknown)}.")
        return cls(**values)


def nearest_rates(index: float, rates: int) -> tuple[int, int, float]:
    """The two of a model's rates that a point between or beyond them is told by.

    Args:
      index: of the point, among the rates 0 to rates - 1; it need not be whole.
      rates: at least 1.

    Returns:
      The lower rate, the higher one, which is the same if there is one only, and the higher one's
      share: 0 to 1 between them, other numbers beyond the first and the last rate.
    """
    low = min(max(math.floor(index), 0), max(rates - 2, 0))
    return low, min(low + 1, rates - 1), index - low
