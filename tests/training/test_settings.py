"""The settings of a training run."""

import dataclasses
import json
import re

import pytest

from training.settings import ContextSettings, TrainSettings


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch", 0),
        ("patch", -8),
        ("lr", -1.0),
        ("lr", float("nan")),
        ("lambda1", float("inf")),
        ("extra_share", 2.0),
        ("least_area", 7.0),
        ("least_area", 0.0),
        ("ema", 1.0),
        ("label_smoothing", 1.0),
        ("seed", -1),
        ("steps", 2.5),
        ("crop", "round"),
        ("parts", ("features", "roof")),
    ],
)
def test_values_that_cannot_be_trained_with_are_refused_by_their_flag(name, value):
    with pytest.raises(ValueError, match=f"--{name} must be .*, not {re.escape(repr(value))}"):
        TrainSettings(**{name: value})


@pytest.mark.parametrize("shares", [(float("nan"),), (0.5, 2.0), (0.0,)])
def test_decays_are_within_the_run(shares):
    with pytest.raises(ValueError, match="--decay_at must be numbers, above 0 and below 1, not"):
        TrainSettings(decay_at=shares)


def test_the_context_classifiers_flags_have_their_own_names():
    with pytest.raises(
        ValueError, match="--context_steps must be a whole number, at least 1, not 0"
    ):
        ContextSettings(steps=0)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainSettings().lr = 1.0
