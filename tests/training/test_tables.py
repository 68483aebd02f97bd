"""Which steps of a model with gains get coding tables."""

import pytest

from tests.models.tiny import tiny_config
from training.tables import steps_of_tables


@pytest.mark.parametrize(
    ("best", "per_gain", "steps"),
    [
        (range(65), 1, [0, 32, 64]),
        (range(65), 2, [0, 16, 32, 48, 64]),
        (range(-31, 77), 1, [-31, 0, 32, 64]),
        (range(-4, 81), 1, [0, 32, 64, 80]),
        (range(5, 41), 1, [5, 32]),
        (range(70, 80), 1, [70]),
    ],
)
def test_tables_stand_at_trained_steps_and_at_ends_far_from_them(best, per_gain, steps):
    config = tiny_config(gains=3)
    assert steps_of_tables(config, best, per_gain) == steps
