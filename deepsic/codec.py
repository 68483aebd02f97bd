"""Pictures to `.dsic` bytes and back: networks, coder and file format together.

compress:    x ─► features ─► q ─► payload ─┬─► file
                    └─► semantics (pre) ────┘
decompress:  file ─► payload ─► q ─► reconstruction ─► x_hat
                                └─► semantics (post)
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from deepsic import container, store
from deepsic.coding.symbols import SymbolCoder
from deepsic.config import ModelConfig
from deepsic.container import Header, Semantics
from deepsic.labels import THRESHOLD, Label, label_of
from deepsic.tiling import tiled
from models import quantiser

# Side of a tile.
TILE_PIXELS = 768
# Of what is classified in one call; part of what a label is, so it stays.
DESCRIBED_PIXELS = 1024
# Cells that are quantised in one call.
QUANTISED_CELLS = 1 << 14


def _compiled(network, channels: int):
    """A network as one graph for every size of picture.

    The graph itself is called: of functions that are traced, one in each of several models,
    TensorFlow complains that they were traced too often.
    """
    spec = tf.TensorSpec((None, None, None, channels), tf.float32)
    traced = tf.function(lambda x: network(x, training=False), input_signature=[spec])
    return traced.get_concrete_function()


def margin_of(config: ModelConfig) -> int:
    """How many cells around a tile the networks look, at most.

    Each stage looks half a kernel of its finer side around, and interpolates between
    neighbours of its coarser one, if that is coarser.
    """
    pixels, fine = 0, 1
    for kernel, stride in zip(config.kernels, config.strides, strict=True):
        pixels += kernel // 2 * fine
        fine *= stride
        pixels += fine if stride > 1 else 0
    return -(-pixels // config.stride)


class Codec:
    """One model, ready to compress, decompress and classify.

    Args:
      folder: of the model.
      fingerprint: which of its coding tables; the newest if None.
    """

    def __init__(self, folder: store.Folder, fingerprint: bytes | None = None) -> None:
        self.folder = folder
        self.config = folder.config
        self.labels = folder.labels
        self.fingerprint = fingerprint or folder.fingerprints[0]
        self.model = store.load_networks(folder)
        tables = store.load_tables(folder, self.fingerprint)
        if tables.channels != self.config.latents:
            raise store.ModelError(f"{folder.path}: tables and networks are of different models.")
        if tables.levels != 1 << self.config.bits:
            raise store.ModelError(f"{folder.path}: tables and networks have different bits.")
        if len(self.labels.classes) != self.config.classes:
            raise store.ModelError(f"{folder.path}: labels and networks are of different models.")
        try:
            self.coder = SymbolCoder(tables)
        except (ValueError, OverflowError) as error:
            raise store.ModelError(f"{folder.path}: the tables are damaged: {error}.") from error

    @functools.cached_property
    def _extract(self):
        return _compiled(self.model.features, 3)

    @functools.cached_property
    def _reconstruct(self):
        return _compiled(self.model.reconstruction, self.config.latents)

    @functools.cached_property
    def _describe(self):
        return _compiled(self.model.semantics.describe, self.config.latents)

    def features(self, x: np.ndarray) -> np.ndarray:
        """f(x), float32 (h, w, latents), of a picture, uint8 (H, W, 3).

        Sides that are no multiples of the stride are continued by their last pixels.
        """
        stride = self.config.stride
        rows, columns = -(-x.shape[0] // stride), -(-x.shape[1] // stride)
        below, right = rows * stride - x.shape[0], columns * stride - x.shape[1]
        if below or right:
            x = np.pad(x, [(0, below), (0, right), (0, 0)], mode="edge")
        out = np.empty((rows, columns, self.config.latents), np.float32)
        return tiled(
            lambda tile: self._extract(tf.cast(tile, tf.float32)).numpy(),
            x,
            step_in=stride,
            step_out=1,
            tile=TILE_PIXELS // stride,
            margin=margin_of(self.config),
            out=out,
        )

    def symbols(self, f: np.ndarray) -> np.ndarray:
        """q of eq. 1, int8, from features (h, w, latents)."""
        q = np.empty(f.shape, np.int8)
        step = max(1, QUANTISED_CELLS // f.shape[1])
        for top in range(0, len(f), step):
            q[top : top + step] = self.model.symbols(tf.constant(f[top : top + step])).numpy()
        return q

    def restore(self, q: np.ndarray) -> np.ndarray:
        """Q⁻¹: dequantised features, float32, from symbols."""
        return ((q - np.float32(0.5)) / quantiser.half_levels(self.config.bits)).astype(np.float32)

    def reconstruct(self, q: np.ndarray, height: int, width: int) -> np.ndarray:
        """x_hat, uint8 (height, width, 3), from symbols (eq. 2)."""
        stride = self.config.stride
        out = np.empty((q.shape[0] * stride, q.shape[1] * stride, 3), np.uint8)

        def network(tile: np.ndarray) -> np.ndarray:
            x_hat = self._reconstruct(tf.constant(self.restore(tile)))
            return tf.cast(tf.clip_by_value(tf.round(x_hat), 0, 255), tf.uint8).numpy()

        tiled(
            network,
            q,
            step_in=1,
            step_out=stride,
            tile=TILE_PIXELS // stride,
            margin=margin_of(self.config),
            out=out,
        )
        return out[:height, :width]

    def classify(self, f: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 (classes,), from features (section III-D).

        Large maps are described tile by tile, and the descriptions averaged.

        Raises:
          ModelError: if the weights are such that nothing finite comes out.
        """
        return self.classify_batch(f[None])[0]

    def classify_batch(self, f: np.ndarray) -> np.ndarray:
        """`classify` for pictures of one size: (n, classes) from float32 (n, h, w, latents)."""
        return self._classify(f, lambda piece: piece)

    def classify_symbols(self, q: np.ndarray) -> np.ndarray:
        """`classify_batch` from symbols, int8 (n, h, w, latents)."""
        return self._classify(q, self.restore)

    def _classify(self, maps: np.ndarray, prepare: Callable) -> np.ndarray:
        tile = DESCRIBED_PIXELS // self.config.stride
        total, weight = 0.0, 0
        for top in range(0, maps.shape[1], tile):
            for left in range(0, maps.shape[2], tile):
                piece = prepare(maps[:, top : top + tile, left : left + tile])
                cells = piece.shape[1] * piece.shape[2]
                total = total + cells * self._describe(piece).numpy()
                weight += cells
        logits = self.model.semantics.decide(tf.constant(total / weight, tf.float32))
        probabilities = tf.nn.softmax(logits).numpy()
        if not np.isfinite(probabilities).all():
            raise store.ModelError(f"{self.folder.path}: the networks compute no probabilities.")
        return probabilities

    def compress(self, x: np.ndarray, threshold: float = THRESHOLD, topk: int = 0) -> bytes:
        """A picture as the bytes of a `.dsic` file.

        Args:
          x: uint8 (H, W, 3).
          threshold: for how likely the label of a `pre` file must be, 0 to 15/16; the
            label becomes as specific as that allows.
          topk: how many of the likeliest classes a `pre` file names besides, at most 10.
        """
        f = self.features(x)
        semantics = None
        if self.config.arch == "pre":
            semantics = self.describe(self.classify(f), threshold, topk)
        q = self.symbols(f)
        del f  # four times as large
        return self._encode(q, x.shape[0], x.shape[1], semantics)

    def describe(
        self, probabilities: np.ndarray, threshold: float = THRESHOLD, topk: int = 0
    ) -> Semantics:
        """The head's answer, float32 (classes,), as a file holds it; see `compress`."""
        return self.labels.semantics(probabilities.tolist(), threshold, topk)

    def encode(self, f: np.ndarray, height: int, width: int, semantics: Semantics | None) -> bytes:
        """The bytes of a `.dsic` file, from the features of a picture of that size."""
        return self._encode(self.symbols(f), height, width, semantics)

    def _encode(self, q: np.ndarray, height: int, width: int, semantics: Semantics | None) -> bytes:
        header = Header(self.config.arch, self.fingerprint, width, height, semantics)
        return container.pack(header, self.coder.encode(q))

    def decode_symbols(self, header: Header, payload: bytes) -> np.ndarray:
        """q, int8 (h, w, latents), from an unpacked file.

        Raises:
          CorruptFile: if the payload does not fit.
        """
        stride = self.config.stride
        rows, columns = -(-header.height // stride), -(-header.width // stride)
        return self.coder.decode(payload, rows, columns)

    def decompress(self, data: bytes) -> tuple[np.ndarray, Label]:
        """A `.dsic` file's picture and label.

        Returns:
          x_hat, uint8 (H, W, 3), and what it shows.

        Raises:
          CorruptFile: if the file is damaged.
        """
        header, payload = container.unpack(data)
        q = self.decode_symbols(header, payload)
        x_hat = self.reconstruct(q, header.height, header.width)
        return x_hat, self.label(header, q)

    def label(
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
        """
        semantics = header.semantics
        if semantics is None:
            assert q is not None, "post files need their symbols"
            probabilities = self.classify_symbols(q[None])[0]
            semantics = self.describe(probabilities, threshold, topk)
        return label_of(semantics, self.labels)
