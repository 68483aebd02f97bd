"""A model at work, between pictures and symbols: its networks, quantiser and entropy coder."""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from deepsic import quantiser, runtimes
from deepsic.coding.symbols import SymbolCoder
from deepsic.container import Semantics
from deepsic.effort import CURVATURE
from deepsic.errors import ModelError
from deepsic.folders import Folder
from deepsic.head import Head
from deepsic.labels import THRESHOLD
from deepsic.pretrained import LEAST_SIDE
from deepsic.quantiser import Quantiser
from deepsic.transforms import Transforms

if TYPE_CHECKING:
    from deepsic.coding.tables import Tables
    from deepsic.runtimes import Runtime

# Cells that are quantised in one call.
QUANTISED_CELLS = 1 << 14

AnyModel = TypeVar("AnyModel", bound="Model")


class Model:
    """One model at one of its quantiser steps.

    Args:
      folder: of the model; its step is the one that is compressed with.
      fingerprint: which of its coding tables; the newest if None.
      runtime: one of `deepsic.runtimes.NAMES`, or `auto`.

    Attributes:
      step: see `at`.

    Raises:
      ModelError: if the model is damaged.
      RuntimeMissing: if the runtime is not installed.
    """

    def __init__(
        self, folder: Folder, fingerprint: bytes | None = None, runtime: str = "auto"
    ) -> None:
        self.folder = folder
        self.config = folder.config
        self.labels = folder.labels
        self.fingerprint = fingerprint or folder.fingerprints[0]
        self.runtime: Runtime = runtimes.make(runtimes.choose(runtime), folder)
        self.transforms = Transforms(self.config, self.runtime)
        self.head = Head(folder, self.runtime)
        self._tables = folder.tables(self.fingerprint)
        self._coders: dict[int, SymbolCoder] = {}
        if len(self.labels.classes) != self.config.classes:
            raise ModelError(f"{folder.path}: labels and networks are of different models.")
        self._set_step(folder.step)
        _ = self.coder  # so that damage is told now

    def at(self: AnyModel, step: int) -> AnyModel:
        """The same model at another of its quantiser steps; they share all that is loaded.

        Features are the same at all steps; symbols, and what they decode to, are not.

        Args:
          step: one of `config.steps`; the higher, the higher the rate.

        Raises:
          ValueError: if the model has no such step.
          ModelError: if its gains are damaged.
        """
        if step == self.step:
            return self
        other = copy.copy(self)
        other._set_step(step)
        return other

    def _set_step(self, step: int) -> None:
        self.config.get_rate_index(step)
        weights = self._gains if self.config.gains else {}
        try:
            self.quantiser = Quantiser.at(step, self.config, weights)
        except ValueError as error:
            raise ModelError(f"{self.folder.path}: {error}.") from error
        self.step, self.folder = step, dataclasses.replace(self.folder, step=step)

    @functools.cached_property
    def _gains(self) -> dict[str, np.ndarray]:
        return self.folder.codec_weights(quantiser.LOG_GAIN, quantiser.LOG_INVERSE_GAIN)

    @property
    def coder(self) -> SymbolCoder:
        """The entropy coder, with the tables that were fitted nearest to the step."""
        nearest = min(self._tables, key=lambda step: abs(step - self.step))
        if nearest not in self._coders:
            self._coders[nearest] = self._make_coder(self._tables[nearest]())
        return self._coders[nearest]

    def _make_coder(self, tables: Tables) -> SymbolCoder:
        if tables.channels != self.config.latents:
            raise ModelError(f"{self.folder.path}: tables and networks are of different models.")
        if tables.levels != 1 << self.config.bits:
            raise ModelError(f"{self.folder.path}: tables and networks have different bits.")
        try:
            return SymbolCoder(tables, self.runtime.range_coder)
        except (ValueError, OverflowError) as error:
            raise ModelError(f"{self.folder.path}: the tables are damaged: {error}.") from error

    @functools.cached_property
    def curvature(self) -> np.ndarray | None:
        """Of the decoder, float32 (latents,), see `deepsic.effort`; None if it is not there."""
        found = self.folder.codec_weights(CURVATURE).get(CURVATURE)
        if found is None or not self.config.can_refine:
            return None
        if found.shape != (self.config.latents,) or not (found > 0).all():
            raise ModelError(f"{self.folder.path}: the weights {CURVATURE} are damaged.")
        return found.astype(np.float32)

    def features(self, x: np.ndarray) -> np.ndarray:
        """f(x), float32 (h, w, latents), of a picture, uint8 (H, W, 3).

        Sides that are no multiples of the stride are continued by their last pixels.
        """
        return self.transforms.features(x)

    def symbols(self, f: np.ndarray) -> np.ndarray:
        """q of eq. 1, int8 (int16 for 8 bits), from features (h, w, latents)."""
        q = np.empty(f.shape, self.quantiser.dtype)
        step = max(1, QUANTISED_CELLS // f.shape[1])
        for top in range(0, len(f), step):
            q[top : top + step] = self.quantiser.quantise(f[top : top + step])
        return q

    def restore(self, q: np.ndarray) -> np.ndarray:
        """Q⁻¹: dequantised features, float32, from symbols."""
        return self.quantiser.dequantise(q)

    def reconstruct(self, q: np.ndarray, height: int, width: int, grey: bool = False) -> np.ndarray:
        """x_hat, uint8 (height, width, 3), from symbols (eq. 2); grey if it is to be."""
        return self.transforms.reconstruct(q, self.restore, grey)[:height, :width]

    def classify(self, f: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 (classes,), from features (section III-D).

        Raises:
          ModelError: if the weights are such that nothing finite comes out.
        """
        return self.classify_batch(f[None])[0]

    def classify_batch(self, f: np.ndarray) -> np.ndarray:
        """`classify` for pictures of one size: (n, classes) from float32 (n, h, w, latents)."""
        return self.head.classify(f, _itself)

    def classify_symbols(self, q: np.ndarray) -> np.ndarray:
        """`classify_batch` from symbols, (n, h, w, latents)."""
        return self.head.classify(q, self.restore)

    def thumbnail(
        self, maps: np.ndarray, height: int, width: int, least: int = LEAST_SIDE
    ) -> np.ndarray:
        """A small picture, without the reconstruction network (pretrained heads only).

        Args:
          maps: features, or symbols, (h, w, latents).
          height, width: of the picture.
          least: its short side is at least so long, unless the picture's own is shorter.

        Returns:
          uint8, at 1/p of the picture's size for some power p of 2.

        Raises:
          ModelError: if the head is another.
        """
        prepare = self.restore if maps.dtype.kind == "i" else _itself
        return self.head.thumbnail(maps, height, width, least, prepare)

    def get_semantics(
        self, probabilities: np.ndarray, threshold: float = THRESHOLD, topk: int = 0
    ) -> Semantics:
        """The head's answer, float32 (classes,), as a file holds it; see `Codec.compress`."""
        return self.labels.semantics(probabilities.tolist(), threshold, topk)


def _itself(piece: np.ndarray) -> np.ndarray:
    return piece
