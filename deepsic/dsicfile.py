"""One `.dsic` file, read as far as somebody asks."""

from __future__ import annotations

import functools
import io
import os
from typing import IO, TYPE_CHECKING

from deepsic import container, limits, sections
from deepsic.labels import THRESHOLD, Label, get_label
from deepsic.metadata import Metadata
from deepsic.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from deepsic.codec import Codec


class DsicFile:
    """A file whose header and checksums are in order; the picture is decoded when it is asked for.

    Args:
      source: path of the file, its bytes, or an open binary file.
      max_pixels: larger pictures are refused; None for 200 million, and for less where the
        file is small.
      models: to look for the file's model in; shipped ones if None.

    Attributes:
      header: all that the file says before its picture.

    Raises:
      CorruptFile: if the file is damaged or promises too much.
      OSError: if it cannot be read.
    """

    def __init__(
        self,
        source: str | os.PathLike | bytes | IO[bytes],
        max_pixels: int | None = None,
        models: Registry | None = None,
    ) -> None:
        self._models = models if models is not None else Registry()
        if isinstance(source, bytes | bytearray | memoryview):
            source = io.BytesIO(source)
        if isinstance(source, str | os.PathLike):
            self._data = limits.read_file(source, max_pixels)
        elif hasattr(source, "read"):
            self._data = limits.read_stream(source, max_pixels)
        else:
            raise TypeError(f"pass a path, bytes or a binary file, not {type(source).__name__}.")
        self.header, self._payload = container.unpack(self._data)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, pixels."""
        return self.header.width, self.header.height

    @property
    def size_in_bytes(self) -> int:
        """Bytes of the whole file."""
        return len(self._data)

    @property
    def arch(self) -> str:
        """`pre`, whose files carry their labels, or `post`."""
        return self.header.arch

    @functools.cached_property
    def codec(self) -> Codec:
        """The model of the file; raises ModelError if it is not here."""
        return self._models.codec(self.header)

    @functools.cached_property
    def symbols(self) -> np.ndarray:
        """q, int8 (h, w, latents), int16 for models of 8 bits.

        Raises:
          ModelError: if the model of the file is not here.
          CorruptFile: if the payload is damaged.
        """
        return self.codec.decode_symbols(self.header, self._payload)

    @property
    def features(self) -> np.ndarray:
        """f̂, float32 (h, w, latents) in (-1, 1): the symbols, dequantised."""
        return self.codec.restore(self.symbols)

    @functools.cached_property
    def rgb(self) -> np.ndarray:
        """x_hat, uint8 (height, width, 3), without its transparency."""
        header = self.header
        return self.codec.reconstruct(self.symbols, header.height, header.width, header.grey)

    @functools.cached_property
    def alpha(self) -> np.ndarray | None:
        """How opaque each pixel is, uint8 (height, width); None if all are.

        Raises:
          CorruptFile: if it is damaged.
        """
        return sections.read_alpha(self._data)

    @property
    def image(self) -> np.ndarray:
        """x_hat, uint8 (height, width, 3), or (height, width, 4) with its transparency.

        Raises:
          ModelError: if the model of the file is not here.
          CorruptFile: if payload or transparency are damaged.
        """
        from deepsic.picture import Picture

        return Picture(self.rgb, self.alpha).pixels

    @functools.cached_property
    def metadata(self) -> Metadata:
        """EXIF and XMP.

        Raises:
          CorruptFile: if they are damaged; the picture may be intact all the same.
        """
        return sections.read_metadata(self._data)

    def get_thumbnail(self, least: int | None = None) -> np.ndarray:
        """A small picture, without the reconstruction network; models with a pretrained head only.

        Args:
          least: its short side is at least so long, unless the picture's own is shorter; None
            for what the head looks at.

        Returns:
          uint8, at 1/p of the picture's size for some power p of 2.

        Raises:
          ModelError: if the model of the file is not here, or its head makes none.
          CorruptFile: if the payload is damaged.
        """
        from deepsic.pretrained import LEAST_SIDE  # which takes longer than to read a label

        least = LEAST_SIDE if least is None else least
        return self.codec.thumbnail(self.symbols, self.header.height, self.header.width, least)

    @functools.cached_property
    def label(self) -> Label:
        """What the picture shows; for `pre` files without any decoding."""
        return self.get_label()

    def get_label(self, threshold: float = THRESHOLD, topk: int = 0) -> Label:
        """What the picture shows, by rules of one's own where the file is of a `post` model.

        Args:
          threshold: how likely the label must be, 0 to 15/16.
          topk: how many of the likeliest classes to name besides.

        Raises:
          ModelError: if the model is needed and not here.
          CorruptFile: if the label or the payload is damaged.
        """
        semantics = self.header.semantics
        if semantics is None:
            return self.codec.get_label(self.header, self.symbols, threshold, topk)
        known = None if semantics.imagenet else self._models.labels(self.header)
        return get_label(semantics, known)

    def __repr__(self) -> str:
        width, height = self.size
        return f"<DsicFile {width}×{height}, {self.arch} {self.header.fingerprint.hex()}>"
