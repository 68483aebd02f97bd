"""Fields of dataclasses that carry their help text, the group of their flag and their range."""

from __future__ import annotations

import dataclasses
import functools
import math
import typing
from typing import Any, NamedTuple

# Groups of flags, in the order in which help shows them.
EVERYDAY = "Everyday"
PAPER = "The paper's"
BEYOND = "Beyond the paper"
CONTEXT = "Context classifier"
GROUPS = (EVERYDAY, PAPER, BEYOND, CONTEXT)


class Limits(NamedTuple):
    """The range of a number: `least` and `most` belong to it, `above` and `below` do not."""

    least: float = -math.inf
    above: float = -math.inf
    most: float = math.inf
    below: float = math.inf

    def hold(self, value: float) -> bool:
        """Whether a number lies in the range; NaN and infinities never do."""
        return self.least <= value <= self.most and self.above < value < self.below

    def __str__(self) -> str:
        named = {"at least": self.least, "above": self.above}
        named |= {"at most": self.most, "below": self.below}
        return " and ".join(f"{k} {v}" for k, v in named.items() if not math.isinf(v))


class Kind(NamedTuple):
    """The values that a field takes.

    Attributes:
      base: int, float or str.
      choices: the only values there are, if the field's type is a Literal of them.
      several: whether the field is a tuple of such values.
    """

    base: type
    choices: tuple[str, ...] = ()
    several: bool = False

    def fits(self, value: Any, limits: Limits) -> bool:
        """Whether a value, of any type, is one of these."""
        if self.several:
            one = self._replace(several=False)
            return isinstance(value, tuple) and all(one.fits(v, limits) for v in value)
        if self.base is str:
            return isinstance(value, str) and (not self.choices or value in self.choices)
        types = int if self.base is int else (int, float)
        return isinstance(value, types) and type(value) is not bool and limits.hold(value)

    def describe(self, limits: Limits) -> str:
        """What such a value is, in words."""
        if self.base is str:
            words = " or ".join(map(repr, self.choices)) or "text"
            return f"one or more of {words}" if self.several else words
        number = "whole number" if self.base is int else "number"
        what = f"{number}s" if self.several else f"a {number}"
        return f"{what}, {limits}" if str(limits) else what


def setting(
    default: Any,
    group: str | None,
    help: str,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
) -> Any:
    """A field of a frozen dataclass, with all there is to know about it.

    Args:
      default: the field's default value.
      group: one of GROUPS; None for a field that has no flag.
      help: the text of `--help`: a short statement with its units.
      least, most: the smallest and the largest number that the field takes.
      above, below: bounds that the field does not take itself.
    """
    metadata = {"group": group, "help": help, "limits": Limits(least, above, most, below)}
    return dataclasses.field(default=default, metadata=metadata)


@functools.cache
def kinds(cls: type) -> dict[str, Kind]:
    """What each field of a dataclass takes, from its type: int, float, str, Literal or tuple."""
    hints = typing.get_type_hints(cls)
    return {f.name: _kind(hints[f.name]) for f in dataclasses.fields(cls)}


def _kind(hint: Any) -> Kind:
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return _kind(inner[0])._replace(several=True)
    return Kind(str, inner) if inner else Kind(hint)


def check(settings: Any, prefix: str = "") -> None:
    """Raises ValueError for the first field whose value is of another type or out of range.

    Args:
      settings: a dataclass whose fields were made by `setting`.
      prefix: what precedes a field's name in the message, such as "--" where it is a flag.
    """
    cls: type = type(settings)
    for field in dataclasses.fields(settings):
        kind, limits = kinds(cls)[field.name], field.metadata["limits"]
        value = getattr(settings, field.name)
        if not kind.fits(value, limits):
            what = kind.describe(limits)
            raise ValueError(f"{prefix}{field.name} must be {what}, not {value!r}.")
