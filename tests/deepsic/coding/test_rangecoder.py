"""The range coder: the same bytes, and the same answers, as tensorflow-compression's."""

import numpy as np
import pytest

from deepsic.coding.rangecoder import PRECISION, PythonCoder, lookup
from tests.deepsic.coding.tfc import TFC

SYMBOLS = 11
WHOLE = 1 << PRECISION


def make_table(rng):
    """Binary rows, even, lopsided and extreme ones, then three of many symbols."""
    rows = rng.integers(1, 12)
    extreme = rng.choice([1, 2, 100, WHOLE // 2, WHOLE - 2, WHOLE - 1], rows)
    yes = np.where(rng.random(rows) < 0.5, extreme, rng.integers(1, WHOLE, rows))
    counts = np.zeros((rows + 3, SYMBOLS), np.int64)
    counts[:rows, 0], counts[:rows, 1] = WHOLE - yes, yes
    for row in counts[rows:]:
        row[:] = np.maximum(1, rng.dirichlet(np.full(SYMBOLS, 0.3)) * (WHOLE - SYMBOLS))
        row[row.argmax()] += WHOLE - row.sum()
    return counts


def make_stream(rng):
    """A table, and pieces of decisions: some as likely as the table says, others at random."""
    counts = make_table(rng)
    binary, pieces = len(counts) - 3, []
    for _ in range(rng.integers(0, 6)):
        n = rng.integers(0, 300)
        if rng.random() < 0.3:
            index, value = rng.integers(binary, len(counts), n), rng.integers(0, SYMBOLS, n)
        else:
            index = rng.integers(0, binary, n)
            likely = rng.random(n) * WHOLE < counts[index, 1]
            value = likely if rng.random() < 0.5 else rng.integers(0, 2, n)
        pieces.append((index.astype(np.int32), value.astype(np.int32)))
    return lookup(counts), pieces


def encode(coder, table, pieces):
    encoder = coder.encoder(table)
    for index, value in pieces:
        encoder.encode(index, value)
    return encoder.finish()


def decode(coder, table, pieces, data):
    decoder = coder.decoder(data, table)
    found = [decoder.decode(index) for index, _ in pieces]
    return found, decoder.finish()


def damaged(rng, data):
    """Other streams: cut, longer, changed, and nothing like it."""
    yield data[: rng.integers(0, len(data) + 1)]
    yield data + bytes(rng.integers(1, 4))
    yield rng.integers(0, 256, rng.integers(0, 9), np.uint8).tobytes()
    if data:
        at = rng.integers(len(data))
        yield data[:at] + bytes([data[at] ^ 1 << rng.integers(8)]) + data[at + 1 :]


@pytest.mark.skipif(TFC is None, reason="tensorflow-compression is not installed")
def test_bytes_and_answers_are_those_of_tensorflow_compression():
    rng = np.random.default_rng(0)
    verdicts = set()
    for _ in range(500):
        table, pieces = make_stream(rng)
        data = encode(PythonCoder(), table, pieces)
        assert data == encode(TFC, table, pieces)
        for stream in (data, *damaged(rng, data)):
            ours, theirs = (decode(c, table, pieces, stream) for c in (PythonCoder(), TFC))
            assert all((a == b).all() for a, b in zip(ours[0], theirs[0], strict=True))
            assert ours[1] == theirs[1]
            verdicts.add(ours[1])
    assert verdicts == {True, False}


def test_values_come_back():
    rng = np.random.default_rng(1)
    for _ in range(200):
        table, pieces = make_stream(rng)
        found, whole = decode(PythonCoder(), table, pieces, encode(PythonCoder(), table, pieces))
        assert whole
        assert all((a == b).all() for a, (_, b) in zip(found, pieces, strict=True))


def test_a_long_carry_reaches_the_first_byte():
    """The rarest of answers again and again moves the interval up to where it carries."""
    table = lookup(np.array([[WHOLE - 1, 1], [1, WHOLE - 1]]))
    rng = np.random.default_rng(2)
    for _ in range(50):
        index = np.zeros(400, np.int32)
        value = (rng.random(400) < 0.98).astype(np.int32)
        data = encode(PythonCoder(), table, [(index, value)])
        found, whole = decode(PythonCoder(), table, [(index, value)], data)
        assert whole
        assert (found[0] == value).all()


def test_the_rate_is_that_of_the_probabilities():
    rng = np.random.default_rng(3)
    yes = np.array([100, 5000, 30000, 60000])
    table = lookup(np.stack([WHOLE - yes, yes], axis=1))
    index = rng.integers(0, 4, 50_000).astype(np.int32)
    value = (rng.random(50_000) * WHOLE < yes[index]).astype(np.int32)
    share = np.where(value, yes[index], WHOLE - yes[index]) / WHOLE
    bits = -np.log2(share).sum()
    size = 8 * len(encode(PythonCoder(), table, [(index, value)]))
    assert bits <= size < 1.001 * bits + 32


def test_counts_that_do_not_add_up_are_refused():
    for counts in ([[1, 2]], [[WHOLE, 0, 0], [0, 1, WHOLE - 1]]):
        with pytest.raises(ValueError, match="add up"):
            lookup(np.array(counts))
