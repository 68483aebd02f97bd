"""Settings that carry their help, group and range."""

import dataclasses
import re
from typing import Literal

import pytest

from deepsic.config import ModelConfig
from deepsic.fields import BEYOND, GROUPS, check, kinds, setting
from training.settings import ContextSettings, TrainSettings


@dataclasses.dataclass(frozen=True)
class Oven:
    """Something with a setting of each type."""

    heat: float = setting(180.0, BEYOND, "Heat, degrees.", above=0, most=300)
    trays: int = setting(1, BEYOND, "Number of trays.", least=1)
    mode: Literal["top", "bottom"] = setting("top", BEYOND, "Where it heats.")
    times: tuple[int, ...] = setting((1, 2), BEYOND, "Times, minutes.", least=0, below=60)

    def __post_init__(self):
        check(self, "--oven_")


@pytest.mark.parametrize(
    "values",
    [
        {"heat": 300},
        {"heat": 0.5},
        {"trays": 1},
        {"mode": "bottom"},
        {"times": ()},
        {"times": (0, 59)},
    ],
)
def test_values_within_the_range_are_taken(values):
    assert dataclasses.asdict(Oven(**values)) | values == dataclasses.asdict(Oven(**values))


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("heat", 0.0, "a number, above 0 and at most 300"),
        ("heat", 301, "a number, above 0 and at most 300"),
        ("heat", float("nan"), "a number"),
        ("heat", float("inf"), "a number"),
        ("heat", True, "a number"),
        ("heat", "hot", "a number"),
        ("trays", 0, "a whole number, at least 1"),
        ("trays", 1.0, "a whole number, at least 1"),
        ("trays", True, "a whole number, at least 1"),
        ("mode", "left", "'top' or 'bottom'"),
        ("mode", ["top"], "'top' or 'bottom'"),
        ("times", (1, 60), "whole numbers, at least 0 and below 60"),
        ("times", [1, 2], "whole numbers"),
        ("times", 5, "whole numbers"),
    ],
)
def test_other_values_are_refused_by_their_flag(name, value, what):
    with pytest.raises(ValueError, match=f"^--oven_{name} must be {re.escape(what)}.*, not "):
        Oven(**{name: value})


@pytest.mark.parametrize("cls", [ModelConfig, TrainSettings, ContextSettings])
def test_every_setting_has_a_group_and_a_sentence_of_help(cls):
    for field in dataclasses.fields(cls):
        assert field.metadata["group"] in (*GROUPS, None)
        assert re.fullmatch(r"(?!Of )[A-Z].{9,}\.", field.metadata["help"]), field.name
        assert kinds(cls)[field.name].fits(field.default, field.metadata["limits"])
