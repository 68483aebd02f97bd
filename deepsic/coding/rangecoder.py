"""The range coder: decisions whose probabilities are looked up in a table of integers.

It is Martin's (1979), with an interval of 32 bits that is widened 16 bits at a time. It writes
the bytes that tensorflow-compression's coder writes for the same decisions, and reads what
that one has written; `deepsic.runtimes.tensorflow` uses that one where it is installed.

Nearly all decisions are binary, so the two loops over decisions know nothing else. The other
ones, a few dozen a picture, take a slower way.
"""

from __future__ import annotations

import bisect
import itertools
import operator
from typing import Protocol

import numpy as np

# Counts of each cumulative table add up to 2**PRECISION.
PRECISION = 16
# The interval is widened when no more than this is left of it.
_NARROW = 1 << 16
_WORD = 0xFFFF
_WHOLE = 1 << 32
_FOR_EVER = 1 << 60


class RangeEncoder(Protocol):
    """What writes decisions into one string of bytes."""

    def encode(self, index: np.ndarray, value: np.ndarray) -> None:
        """Appends values, each under the row that `index` names; int32, one shape."""

    def finish(self) -> bytes:
        """The bytes; nothing may be added after."""


class RangeDecoder(Protocol):
    """What reads decisions back; the order and the indices must be the encoder's."""

    def decode(self, index: np.ndarray) -> np.ndarray:
        """The next values, int32, shaped like `index`."""

    def finish(self) -> bool:
        """Whether the bytes end where the values end."""


class RangeCoder(Protocol):
    """A pair of both."""

    def encoder(self, table: np.ndarray) -> RangeEncoder:
        """A new encoder for the rows of a table from `lookup`."""

    def decoder(self, data: bytes, table: np.ndarray) -> RangeDecoder:
        """A decoder of what such an encoder wrote.

        Other bytes decode to other values, never to an error before `finish`.
        """


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


class PythonCoder:
    """The range coder in Python and NumPy, for everywhere."""

    def encoder(self, table: np.ndarray) -> RangeEncoder:
        """See `RangeCoder`."""
        return _Encoder(table)

    def decoder(self, data: bytes, table: np.ndarray) -> RangeDecoder:
        """See `RangeCoder`."""
        return _Decoder(data, table)


def _is_binary(table: np.ndarray) -> np.ndarray:
    """Rows that know two symbols, both of them possible."""
    return (table[:, 2] < 1 << PRECISION) & (table[:, 3] == 1 << PRECISION)


class _Encoder:
    """The interval is [low, low + size); a carry out of its 32 bits goes into the last word."""

    def __init__(self, table: np.ndarray) -> None:
        self._table, self._binary = table, _is_binary(table)
        self._low, self._size = 0, _WHOLE
        self._words: list[int] = []

    def encode(self, index: np.ndarray, value: np.ndarray) -> None:
        index, value = index.reshape(-1), value.reshape(-1)
        if self._binary[index].all():
            first = self._table[:, 2].take(index)
            # One number a decision: the share of a no, its negative for a yes.
            self._encode_binary(np.where(value, -first, first).tolist())
        else:
            for row, symbol in zip(self._table[index].tolist(), value.tolist(), strict=True):
                self._encode_one(row[symbol + 1], row[symbol + 2])

    def _encode_binary(self, shares: list[int]) -> None:
        low, size, put = self._low, self._size, self._words.append
        for share in shares:
            if share > 0:
                size = size * share >> PRECISION
            else:
                no = size * -share >> PRECISION
                low += no
                size -= no
            if size <= _NARROW:
                put(low >> 16)
                low = (low & _WORD) << 16
                size <<= 16
        self._low, self._size = low, size

    def _encode_one(self, start: int, stop: int) -> None:
        begin = self._size * start >> PRECISION
        self._low += begin
        self._size = (self._size * stop >> PRECISION) - begin
        if self._size <= _NARROW:
            self._words.append(self._low >> 16)
            self._low = (self._low & _WORD) << 16
            self._size <<= 16

    def finish(self) -> bytes:
        """The words, and as few bytes more as make a number in the interval.

        The decoder takes zeros for bytes that are missing at the end.
        """
        carry, low = divmod(self._low, _WHOLE)
        top = low + self._size - 1
        if top >= _WHOLE:  # 2**32 lies in the interval: all bytes behind the carry are zeros
            words = _carried([*self._words, 1 << 16])[:-1]
            return words.astype(">u2").tobytes().rstrip(b"\0")
        data = _carried([*self._words, carry << 16])[:-1].astype(">u2").tobytes()
        if low == 0:
            return data
        byte, word = (low - 1 >> 24) + 1, (low - 1 >> 16) + 1
        if byte <= top >> 24:
            return data + bytes([byte])
        return data + word.to_bytes(2, "big").removesuffix(b"\0")


def _carried(words: list[int]) -> np.ndarray:
    """Words whose 17th bits have been added to the words before them."""
    carried = np.array(words, np.int64)
    while (carried[1:] > _WORD).any():
        carry = carried >> 16
        carry[0] = 0
        carried -= carry << 16
        carried[:-1] += carry[1:]
    return carried


class _Decoder:
    """`_value` is the number that was written, less the low end of the interval."""

    def __init__(self, data: bytes, table: np.ndarray) -> None:
        self._table, self._binary = table, _is_binary(table)
        self._words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").tolist()
        # Zeros follow the last byte, for ever.
        self._left = iter(self._words), itertools.repeat(0, _FOR_EVER)
        self._next = itertools.chain(*self._left).__next__
        self._value, self._size = self._next() << 16 | self._next(), _WHOLE

    def decode(self, index: np.ndarray) -> np.ndarray:
        flat = index.reshape(-1)
        if self._binary[flat].all():
            answers = self._decode_binary(self._table[:, 2].take(flat).tolist())
            found = np.frombuffer(answers, np.uint8).astype(np.int32)
        else:
            rows = self._table[flat].tolist()
            found = np.array([self._decode_one(row[2:]) for row in rows], np.int32)
        return found.reshape(index.shape)

    def _decode_binary(self, shares: list[int]) -> bytearray:
        value, size, widen = self._value, self._size, self._next
        answers = bytearray(len(shares))
        for at, share in enumerate(shares):
            no = size * share >> PRECISION
            if value < no:
                size = no
            else:
                value -= no
                size -= no
                answers[at] = 1
            if size <= _NARROW:
                value = value << 16 | widen()
                size <<= 16
        self._value, self._size = value, size
        return answers

    def _decode_one(self, sums: list[int]) -> int:
        ends = [self._size * s >> PRECISION for s in sums]
        symbol = bisect.bisect_right(ends, self._value)
        begin = ends[symbol - 1] if symbol else 0
        self._value -= begin
        self._size = ends[symbol] - begin
        if self._size <= _NARROW:
            self._value = self._value << 16 | self._next()
            self._size <<= 16
        return symbol

    def finish(self) -> bool:
        """Whether the encoder, having written these values, would have ended with these bytes.

        Weak, as zeros at the end are left out: some streams that are too short pass.
        """
        words, zeros = map(operator.length_hint, self._left)
        if words:
            return False
        high, low = [0, 0, *self._words[-2:], *[0] * min(2, _FOR_EVER - zeros)][-2:]
        number = high << 16 | low
        base = (number - self._value) % _WHOLE
        top = base + self._size - 1
        if base == 0 or top >= _WHOLE:
            return number == 0
        shift = 24 if base - 1 >> 24 < top >> 24 else 16
        return (base - 1 >> shift) + 1 << shift == number
