"""The order of positions."""

import numpy as np
import pytest

from deepsic.coding.interlace import PASSES, REACH, TAPS, tap_views


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 8), (13, 21)])
def test_the_passes_cover_every_position_once(size):
    seen = np.zeros((*size, 1), int)
    for p in PASSES:
        p.of(seen)[...] += 1
        assert p.of(seen).shape[:2] == p.shape(*size)
    assert (seen == 1).all()


def test_taps_are_known_before_their_pass():
    order = np.zeros((64, 64, 1), int)
    for number, p in enumerate(PASSES):
        p.of(order)[...] = number
    for number, p in enumerate(PASSES):
        y, x = p.y + 16, p.x + 16
        for dy, dx in TAPS[number]:
            assert max(abs(dy), abs(dx)) <= REACH
            assert order[y + dy, x + dx] < number


def test_views_show_the_neighbours():
    h, w = 11, 14
    plane = np.arange(h * w).reshape(1, h, w, 1)
    padded = np.pad(plane, [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)], constant_values=-1)
    for number, p in enumerate(PASSES):
        own = p.of(plane)[0, ..., 0]
        for (dy, dx), view in zip(TAPS[number], tap_views(padded, number, h, w), strict=True):
            for (i, j), value in np.ndenumerate(own):
                y, x = value // w + dy, value % w + dx
                inside = 0 <= y < h and 0 <= x < w
                assert view[0, i, j, 0] == (y * w + x if inside else -1)
