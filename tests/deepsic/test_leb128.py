"""Whole numbers of several bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsic import leb128
from deepsic.errors import CorruptFile


@given(st.integers(0, 2**35 - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_a_number_is_read_as_it_was_written(value, before, behind):
    data = leb128.write(value)
    assert len(data) == max(1, -(-value.bit_length() // 7))
    assert leb128.read(before + data + behind, len(before)) == (value, len(before) + len(data))


def test_numbers_without_an_end_are_refused():
    with pytest.raises(CorruptFile, match="no end"):
        leb128.read(b"\xff" * 9, 0)
    with pytest.raises(IndexError):
        leb128.read(b"\xff" * 4, 0)
