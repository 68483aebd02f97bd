"""Pictures to `.dsic` bytes and back: networks, coder and file format together.

compress:    x ─► features ─► q ─► payload ─┬─► file
                    └─► semantics (pre) ────┘
decompress:  file ─► payload ─► q ─► reconstruction ─► x_hat
                                └─► semantics (post)
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deepsic import container, quantiser, runtimes, sections
from deepsic import effort as efforts
from deepsic.coding.symbols import SymbolCoder
from deepsic.colour import is_grey
from deepsic.container import Header, Semantics
from deepsic.errors import CorruptFile, ModelError
from deepsic.folders import Folder
from deepsic.head import Head
from deepsic.labels import THRESHOLD, Label, get_label
from deepsic.picture import Picture, as_picture
from deepsic.pretrained import LEAST_SIDE
from deepsic.quantiser import Quantiser
from deepsic.targets import DEFAULT_EFFORT
from deepsic.transforms import Transforms
from deepsic.treecode import MOST_ALTERNATIVES

if TYPE_CHECKING:
    from deepsic.coding.tables import Tables
    from deepsic.runtimes import Runtime

# Cells that are quantised in one call.
QUANTISED_CELLS = 1 << 14


class Compressed(bytes):
    """The bytes of a `.dsic` file.

    Attributes:
      label: what the picture shows, by the file (`pre`) or by what was coded (`post`).
    """

    label: Label | None = None


class Analysis(NamedTuple):
    """A picture as a model sees it; all of its file but the symbols.

    Attributes:
      rgb: the picture, uint8 (H, W, 3).
      f: its features, float32 (h, w, latents).
      semantics: None in `post` models.
      grey: whether its channels are equal.
      sections: transparency and metadata.
    """

    rgb: np.ndarray
    f: np.ndarray
    semantics: Semantics | None
    grey: bool
    sections: list[container.Section]


class Codec:
    """One model, ready to compress, decompress and classify, at one of its quantiser steps.

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

    def at(self, step: int) -> Codec:
        """The same model at another of its quantiser steps; they share all that is loaded.

        Features are the same at all steps; symbols, and what they decode to, are not.

        Args:
          step: 0, the lowest rate, to `config.steps - 1`.

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
        found = self.folder.codec_weights(efforts.CURVATURE).get(efforts.CURVATURE)
        if found is None or not self.config.can_refine:
            return None
        if found.shape != (self.config.latents,) or not (found > 0).all():
            raise ModelError(f"{self.folder.path}: the weights {efforts.CURVATURE} are damaged.")
        return found.astype(np.float32)

    def compress(
        self,
        x: Any,
        threshold: float = THRESHOLD,
        topk: int = 0,
        keep_metadata: bool = True,
        effort: int | None = None,
    ) -> Compressed:
        """A picture as the bytes of a `.dsic` file.

        Args:
          x: uint8 (H, W, 3), RGB, or (H, W, 4) with transparency; a `Picture`; or a PIL image,
            which is turned upright and converted to sRGB.
          threshold: how likely the label must be, 0 to 15/16; it is as specific as that allows.
          topk: how many of the likeliest classes it names besides, 0 to 10.
          keep_metadata: whether the file gets EXIF and XMP of a PIL image.
          effort: how much is spent on a small file, see `encode`.

        Raises:
          TypeError: if x is no uint8 array and no PIL image.
          ValueError: if x has another shape, or a number is out of range.
          ModelError: if the model does not know that effort.
          BadFile: if its transparency is so ragged that it takes more than 2 bits a pixel.
        """
        efforts.check(effort)
        analysis = self.analyse(x, threshold, topk, keep_metadata)
        q, payload = self._code(analysis, effort)
        data = self._pack(payload, analysis)
        if analysis.semantics is None:
            shown = self.get_semantics(self.classify_symbols(q[None])[0], threshold, topk)
            data.label = get_label(shown, self.labels)
        return data

    def analyse(
        self,
        x: Any,
        threshold: float = THRESHOLD,
        topk: int = 0,
        keep_metadata: bool = True,
    ) -> Analysis:
        """What `encode` makes files of, at any step of this model; see `compress`."""
        picture = as_picture(x, keep_metadata)
        if not 0 <= threshold <= 15 / 16:
            raise ValueError(f"threshold must lie in 0 to 15/16, not {threshold!r}.")
        if not 0 <= topk <= MOST_ALTERNATIVES:
            raise ValueError(f"topk must lie in 0 to {MOST_ALTERNATIVES}, not {topk!r}.")
        extras = sections.make(picture)
        f = self.features(picture.rgb)
        semantics = None
        if self.config.arch == "pre":
            semantics = self.get_semantics(self.classify(f), threshold, topk)
        return Analysis(picture.rgb, f, semantics, is_grey(picture.rgb), extras)

    def encode(self, analysis: Analysis, effort: int | None = None) -> Compressed:
        """The bytes of a `.dsic` file at this step.

        Args:
          analysis: of the picture, by this model.
          effort: 0 rounds features; more refines symbols (`deepsic.effort`), and keeps them where
            they serve R + λ1·D better. None is the default where the model knows it, else 0.

        Raises:
          ValueError, ModelError: if there is no such effort, or the model does not know it.
        """
        _, payload = self._code(analysis, effort)
        return self._pack(payload, analysis)

    def _code(self, analysis: Analysis, effort: int | None) -> tuple[np.ndarray, bytes]:
        """Symbols and their payload, see `encode`."""
        efforts.check(effort)
        if effort is None:
            effort = DEFAULT_EFFORT if self.curvature is not None else 0
        if effort:
            return efforts.better(self, analysis, effort)
        q = self.symbols(analysis.f)
        return q, self.coder.encode(q)

    def decompress(self, data: bytes) -> tuple[np.ndarray, Label]:
        """A `.dsic` file's picture and label.

        Args:
          data: the bytes of the file.

        Returns:
          x_hat, uint8 (H, W, 3), or (H, W, 4) with transparency, and what it shows.

        Raises:
          CorruptFile: if the file is damaged, its metadata apart.
          ModelError: if it is of another model.
        """
        header, payload = container.unpack(data)
        codec = self.for_file(header)
        q = codec.decode_symbols(header, payload)
        label = codec.get_label(header, q)
        alpha = sections.read_alpha(data)
        rgb = codec.reconstruct(q, header.height, header.width, header.grey)
        return Picture(rgb, alpha).pixels, label

    def for_file(self, header: Header) -> Codec:
        """The same model at the step of a file.

        Raises:
          CorruptFile: if the model has no such step.
          ModelError: if the file is of another model.
        """
        self._check_is_mine(header)
        try:
            return self.at(header.step)
        except ValueError as error:
            raise CorruptFile(str(error)) from error

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
        """The head's answer, float32 (classes,), as a file holds it; see `compress`."""
        return self.labels.semantics(probabilities.tolist(), threshold, topk)

    def _pack(self, payload: bytes, analysis: Analysis) -> Compressed:
        height, width = analysis.rgb.shape[:2]
        header = Header(
            self.config.arch,
            self.fingerprint,
            width,
            height,
            analysis.semantics,
            self.step,
            analysis.grey,
        )
        data = Compressed(container.pack(header, payload, analysis.sections))
        if analysis.semantics is not None:
            data.label = get_label(analysis.semantics, self.labels)
        return data

    def decode_symbols(self, header: Header, payload: bytes) -> np.ndarray:
        """q, (h, w, latents), from an unpacked file.

        Raises:
          CorruptFile: if the payload does not fit.
          ModelError: if the file is of another model.
          ValueError: if it is of another step.
        """
        if self.for_file(header) is not self:
            raise ValueError(f"the file is of step {header.step}: ask for_file(header).")
        stride = self.config.stride
        rows, columns = -(-header.height // stride), -(-header.width // stride)
        return self.coder.decode(payload, rows, columns)

    def _check_is_mine(self, header: Header) -> None:
        mine = self.config.arch, self.fingerprint
        if (header.arch, header.fingerprint) != mine:
            raise ModelError(
                f"the file is of the {header.arch} model {header.fingerprint.hex()}, and"
                f" {self.folder.path} is the {mine[0]} model {mine[1].hex()}."
            )

    def get_label(
        self,
        header: Header,
        q: np.ndarray | None = None,
        threshold: float = THRESHOLD,
        topk: int = 0,
    ) -> Label:
        """What a picture shows: from the header (`pre`), or from its symbols (`post`).

        Args:
          header: of the file.
          q: its symbols; only `post` files need them.
          threshold, topk: of `post` files, see `compress`.

        Raises:
          CorruptFile: if the label in the header is damaged.
          ModelError: if the file is of another model.
          ValueError: if a `post` file comes without its symbols.
        """
        self._check_is_mine(header)
        semantics = header.semantics
        if semantics is None:
            if q is None:
                raise ValueError("files of post models are labelled from their symbols: pass q.")
            semantics = self.get_semantics(self.classify_symbols(q[None])[0], threshold, topk)
        return get_label(semantics, self.labels)


def _itself(piece: np.ndarray) -> np.ndarray:
    return piece
