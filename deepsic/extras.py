"""Packages that only parts of the library need: imported when they are, missed in one sentence."""

from __future__ import annotations

import importlib
from types import ModuleType

from deepsic.errors import DeepsicError


class PackageMissing(DeepsicError):
    """A part of the library was asked for whose packages are not installed."""


def need(extra: str, *names: str) -> ModuleType:
    """Imports modules and returns the first.

    Args:
      extra: of pyproject.toml that has their packages.
      names: of the modules.

    Raises:
      PackageMissing: if one is not installed.
    """
    try:
        first, *_ = [importlib.import_module(name) for name in names]
        return first
    except ModuleNotFoundError as error:
        raise PackageMissing(
            f"that needs the package {error.name}: pip install 'deepsic[{extra}]', in a clone"
            f" pip install -r requirements-{extra}.txt."
        ) from error
