"""What runs a model's networks: LiteRT, or TensorFlow where the reproduction is at hand.

Files are the same whichever ran, up to features that fall on the other side of a quantiser's
edge; symbols decode alike, and pixels differ by one level at most.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Protocol

from deepsic.errors import DeepsicError

if TYPE_CHECKING:
    import numpy as np

    from deepsic.coding.rangecoder import RangeCoder
    from deepsic.folders import Folder

# The second stands above this package, with the networks that it runs; it is looked for by
# name, and is there in a clone of the whole project.
_MODULES = {
    "litert": ("deepsic.runtimes.litert", "LiteRT", "ai_edge_litert"),
    "tensorflow": ("models.runtime", "KerasRuntime", "tensorflow"),
}
NAMES = tuple(_MODULES)
# From so many pictures on, what TensorFlow takes to start is less than what it saves.
MANY = 200


class RuntimeMissing(DeepsicError):
    """A runtime that was asked for is not installed."""


class Runtime(Protocol):
    """The networks of one model, as functions of float32 arrays."""

    name: str

    @property
    def range_coder(self) -> RangeCoder:
        """The fastest coder that this runtime has; all write the same bytes."""

    def features(self, x: np.ndarray) -> np.ndarray:
        """f(x), (n, h, w, latents) in (-1, 1), of x, (n, h·stride, w·stride, 3) in 0–255.

        In models with gains: what these and the bound make f(x) of.
        """

    def reconstruction(self, f_hat: np.ndarray) -> np.ndarray:
        """x_hat, (n, h·stride, w·stride, 3), nominally 0–255, of (n, h, w, latents).

        In models with gains: of features behind the inverse gains.
        """

    def gradient(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """d/dy of the sum of (clip(x_hat) - x)², (n, h, w, latents).

        Args:
          y: float32 (n, h, w, latents), what `reconstruction` takes.
          x: float32 (n, h·stride, w·stride, 3) in 0–255.
        """

    def first_stages(self, y: np.ndarray) -> np.ndarray:
        """What a pretrained head's map reads of what `reconstruction` takes.

        (n, h, w, filters), in models of `ModelConfig.head_input` decoder only.
        """

    def describe(self, f: np.ndarray) -> np.ndarray:
        """What the head sees in a tile of features, (n, h, w, latents): (n, size)."""

    def decide(self, description: np.ndarray) -> np.ndarray:
        """Logits, (n, classes), of descriptions, (n, size), of whole pictures."""

    def recognise(self, x: np.ndarray) -> np.ndarray:
        """Logits, (n, 1000), of a pretrained head's thumbnails, (n, h, w, 3) in 0–255."""


def is_installed(name: str) -> bool:
    """Whether a runtime's packages are there, without importing them."""
    module, _, package = _MODULES[name]
    try:
        return all(importlib.util.find_spec(m) is not None for m in (package, module))
    except ModuleNotFoundError:  # of the package that a module is in
        return False


def choose(name: str, pictures: int = 1) -> str:
    """The runtime for a job: `auto` is LiteRT, or TensorFlow for many pictures where it is."""
    if name != "auto":
        return name
    many = pictures >= MANY or not is_installed("litert")
    return "tensorflow" if many and is_installed("tensorflow") else "litert"


def make(name: str, folder: Folder) -> Runtime:
    """A runtime for a model.

    Args:
      name: one of `NAMES`.
      folder: of the model.

    Raises:
      ValueError: if there is no such runtime.
      RuntimeMissing: if it is not installed.
      ModelError: if the model is of no use to it.
    """
    if name not in _MODULES:
        raise ValueError(f"a runtime is one of {', '.join(NAMES)}, not {name!r}.")
    module, attribute, package = _MODULES[name]
    if not is_installed(name):
        where = "" if package != "tensorflow" else " and a clone of the whole project"
        raise RuntimeMissing(f"the runtime {name} needs the package {package}{where}.")
    return getattr(importlib.import_module(module), attribute)(folder)
