"""What a model is made of: the frozen configuration stored beside its weights."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal

Arch = Literal["pre", "post"]
Normalisation = Literal["batch", "gdn"]
Head = Literal["paper", "pretrained"]

STAGES = 4
# Of the network that a pretrained head ends with.
PRETRAINED_CLASSES = 1000
# Of a model, as attributes of `models.deepsic.DeepSIC`.
PARTS = ("features", "prior", "reconstruction", "semantics")
# Larger models are refused before anything is allocated: 256 MB of float32.
MOST_PARAMETERS = 1 << 26


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Hyper-parameters of a DeepSIC network (sections III and IV-B of the paper).

    Attributes:
      arch: `pre` puts the semantic head on the encoder's float features and its
        answer into the file; `post` puts it on the decoder's dequantised ones.
      filters: width of every stage.
      latents: channels of f(x), the tensor that is coded. The paper has as many
        as filters; exported models drop those that carry nothing.
      kernels: side of the square kernels of the four stages.
      strides: subsampling of the four stages; their product is the stride of
        the features: (4, 2, 1, 1) gives 8, (4, 2, 2, 1) gives 16.
      bits: B of eq. 1; a feature has 2**bits levels.
      gains: how many rates the model knows; each has a gain for every channel of
        f before eq. 1, and one for its inverse (Cui et al. 2021). 0: one rate,
        without gains, as the paper has it.
      blocks: residual blocks at the coarsest resolution, before the extractor's last stage
        and behind the decoder's first. The paper has none.
      normalisation: `batch` is the paper's; `gdn` is Ballé's (2017).
      skip_gain: initial gain of every path that jumps over a stage or
        interpolates around it; the gains are learned.
      classes: size of the softmax.
      head: `paper` is section III-D's; `pretrained` maps features linearly to pixels for a
        pretrained network of ImageNet's 1,000 classes, see `deepsic.pretrained`.
      head_width: filters of the first convolution of the semantic head.
      head_depth: residual blocks after each of its first three convolutions.
    """

    arch: Arch = "pre"
    filters: int = 128
    latents: int = 128
    kernels: tuple[int, ...] = (7, 5, 3, 3)
    strides: tuple[int, ...] = (4, 2, 1, 1)
    bits: int = 6
    gains: int = 0
    blocks: int = 0
    normalisation: Normalisation = "batch"
    skip_gain: float = 1.0
    classes: int = 1000
    head: Head = "paper"
    head_width: int = 128
    head_depth: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernels", tuple(self.kernels))
        object.__setattr__(self, "strides", tuple(self.strides))
        self._check_types()
        if self.arch not in ("pre", "post"):
            raise ValueError(f"arch must be 'pre' or 'post', not {self.arch!r}.")
        if self.normalisation not in ("batch", "gdn"):
            raise ValueError(f"normalisation must be 'batch' or 'gdn', not {self.normalisation!r}.")
        if self.head not in ("paper", "pretrained"):
            raise ValueError(f"head must be 'paper' or 'pretrained', not {self.head!r}.")
        if self.head == "pretrained" and self.classes != PRETRAINED_CLASSES:
            raise ValueError(
                f"a pretrained head has {PRETRAINED_CLASSES} classes, not {self.classes}."
            )
        if len(self.kernels) != STAGES or len(self.strides) != STAGES:
            raise ValueError(
                f"kernels and strides take {STAGES} numbers each, "
                f"not {self.kernels} and {self.strides}."
            )
        if any(s not in (1, 2, 4) for s in self.strides):
            raise ValueError(f"each stride must be 1, 2 or 4, not {self.strides}.")
        if any(k < s or k > 15 for k, s in zip(self.kernels, self.strides, strict=True)):
            raise ValueError(
                f"a kernel must cover its stride and be at most 15, not {self.kernels}."
            )
        if not 1 <= self.bits <= 8:
            raise ValueError(f"bits must lie in 1..8, not {self.bits}.")
        for name in ("filters", "latents", "head_width", "classes"):
            if not 1 <= getattr(self, name) <= 65536:
                raise ValueError(f"{name} must lie in 1..65536, not {getattr(self, name)}.")
        if not 0 <= self.gains <= 64:
            raise ValueError(f"gains must lie in 0..64, not {self.gains}.")
        for name in ("head_depth", "blocks"):
            if not 0 <= getattr(self, name) <= 16:
                raise ValueError(f"{name} must lie in 0..16, not {getattr(self, name)}.")
        if self.parameters > MOST_PARAMETERS:
            raise ValueError(
                f"that model would have about {self.parameters} parameters, more than"
                f" {MOST_PARAMETERS}; lower filters, latents or head_width."
            )

    def _check_types(self) -> None:
        """A configuration may be read from a file that says anything."""
        whole = [self.filters, self.latents, self.bits, self.gains, self.blocks, self.classes]
        for value in (*whole, self.head_width, self.head_depth, *self.kernels, *self.strides):
            if type(value) is not int:
                raise ValueError(f"{value!r} stands where a whole number belongs.")
        if not isinstance(self.skip_gain, int | float) or not -1e6 < self.skip_gain < 1e6:
            raise ValueError(f"skip_gain must be a number, not {self.skip_gain!r}.")

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
            return transforms + gdn + 75 * c * self.stride**2
        head = 9 * (c * w + 17 * w * w // 2 + residual) + 4 * w * w + 2 * w * self.classes
        blocks = 2 * self.blocks * 9 * f * f
        return transforms + gdn + blocks + head

    @property
    def stride(self) -> int:
        """Pixels of the picture per feature, along one side."""
        total = 1
        for s in self.strides:
            total *= s
        return total

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
