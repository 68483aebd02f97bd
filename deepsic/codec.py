"""Pictures to `.dsic` bytes and back: networks, coder and file format together.

compress:    x ─► features ─► q ─► payload ─┬─► file
                    └─► semantics (pre) ────┘
decompress:  file ─► payload ─► q ─► reconstruction ─► x_hat
                                └─► semantics (post)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from deepsic import container, sections
from deepsic import effort as efforts
from deepsic.colour import is_grey
from deepsic.container import Header, Semantics
from deepsic.errors import CorruptFile, ModelError
from deepsic.labels import THRESHOLD, Label, get_label
from deepsic.model import Model
from deepsic.picture import Picture, as_picture
from deepsic.targets import DEFAULT_EFFORT
from deepsic.treecode import MOST_ALTERNATIVES


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


class Codec(Model):
    """One model, ready to compress, decompress and classify, at one of its quantiser steps.

    It is made as `Model` says.
    """

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
