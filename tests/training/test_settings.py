"""The settings of a training run."""

import dataclasses
import json

import pytest

from training.settings import TrainSettings


def test_defaults_are_the_papers():
    s = TrainSettings()
    assert (s.lr, s.batch, s.patch, s.steps) == (0.003, 32, 128, 8_000_000)
    assert (s.schedule, s.decay, len(s.decay_at)) == ("steps", 5.0, 2)


def test_json_holds_every_setting():
    s = TrainSettings(lambda1=0.05, decay_at=(0.3, 0.6))
    values = json.loads(s.to_json())
    assert set(values) == {f.name for f in dataclasses.fields(s)}
    rebuilt = TrainSettings(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    )
    assert rebuilt == s


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainSettings().lr = 1.0
