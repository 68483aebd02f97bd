"""TFC's range coder, for decisions whose beliefs are looked up in a table of integers."""

from __future__ import annotations

import numpy as np

# Counts of each cumulative table add up to 2**PRECISION.
PRECISION = 16


def lookup(counts: np.ndarray) -> np.ndarray:
    """Cumulative tables in the coder's form.

    Args:
      counts: int (tables, symbols), each row adding up to 2**PRECISION and
        positive but for zeros at its end, which stand for no symbol.

    Returns:
      int32 (tables, symbols + 2): precision, 0, then running sums.
    """
    used = np.cumsum(counts[:, ::-1] > 0, axis=1)[:, ::-1] > 0
    if (counts[used] <= 0).any() or (counts.sum(axis=1) != 1 << PRECISION).any():
        raise ValueError("counts must be positive and add up to 2**PRECISION.")
    sums = np.cumsum(counts, axis=1)
    front = np.tile(np.array([[PRECISION, 0]]), (len(counts), 1))
    return np.concatenate([front, sums], axis=1).astype(np.int32)


class Encoder:
    """Writes decisions into one string of bytes.

    Args:
      table: from `lookup`; an index names a row of it.
    """

    def __init__(self, table: np.ndarray) -> None:
        import tensorflow_compression as tfc

        self._tfc = tfc
        self._handle = tfc.create_range_encoder([], table)

    def encode(self, index: np.ndarray, value: np.ndarray) -> None:
        """Appends values, each under the row that `index` names; int32, one shape."""
        self._handle = self._tfc.entropy_encode_index(self._handle, index, value)

    def finish(self) -> bytes:
        """The bytes; nothing may be added after."""
        return self._tfc.entropy_encode_finalize(self._handle).numpy()


class Decoder:
    """Reads decisions back; the order and the indices must be the encoder's.

    Args:
      data: what `Encoder.finish` returned. Other bytes decode to other values,
        never to an error before `finish`.
      table: the encoder's.
    """

    def __init__(self, data: bytes, table: np.ndarray) -> None:
        import tensorflow_compression as tfc

        self._tfc = tfc
        self._handle = tfc.create_range_decoder(data, table)

    def decode(self, index: np.ndarray) -> np.ndarray:
        """The next values, int32, shaped like `index`."""
        import tensorflow as tf

        # The shape as an array: a tuple would take TensorFlow's slow way in.
        shape = np.array(index.shape, np.int32)
        self._handle, value = self._tfc.entropy_decode_index(
            self._handle, index, shape=shape, Tdecoded=tf.int32
        )
        return value.numpy()

    def finish(self) -> bool:
        """Whether the bytes end where the values end."""
        return bool(self._tfc.entropy_decode_finalize(self._handle).numpy())
