"""Flags made from the fields of settings, in the groups that --help shows them in."""

from __future__ import annotations

import dataclasses
from typing import Any

from absl import flags

from deepsic.fields import GROUPS, kinds

F = flags.FLAGS
DEFINE: dict[type, Any] = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define(cls: type, prefix: str = "") -> None:
    """Defines a flag for each field of a dataclass that has a group.

    Args:
      cls: a dataclass whose fields were made by `deepsic.fields.setting`.
      prefix: what precedes a field's name in its flag's.
    """
    for field in dataclasses.fields(cls):
        group, text = field.metadata["group"], field.metadata["help"]
        kind, name = kinds(cls)[field.name], prefix + field.name
        default: Any = field.default
        if group is None:
            continue
        if kind.several:
            flags.DEFINE_list(name, list(default), text, module_name=group)
        elif kind.choices:
            flags.DEFINE_enum(name, default, kind.choices, text, module_name=group)
        else:
            DEFINE[kind.base](name, default, text, module_name=group)


def values(cls: type, prefix: str = "", *, given: bool = False) -> dict[str, Any]:
    """What the flags of a dataclass say, by the names of its fields and in their types.

    Args:
      cls, prefix: as in `define`.
      given: leave out flags that the user did not set.

    Raises:
      ValueError: if a list has something other than numbers where these belong.
    """
    found: dict[str, Any] = {}
    for name, kind in kinds(cls).items():
        if prefix + name not in F or (given and not F[prefix + name].present):
            continue
        found[name] = F[prefix + name].value
        if kind.several:
            try:
                found[name] = tuple(map(kind.base, found[name]))
            except ValueError as error:
                raise ValueError(f"--{prefix}{name} takes numbers: {error}.") from error
    return found


def describe() -> str:
    """The help of all flags, under the headings of their groups."""
    return "".join(f"{F.module_help(group)}\n" for group in GROUPS)
