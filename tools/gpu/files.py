"""Files of weights that go there and back: arrays by name, and what is to be known of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

ABOUT = "about"


def read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `write` wrote: what is to be known, and the arrays."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != ABOUT}
        return json.loads(str(file[ABOUT])), arrays


def write(
    path: str | os.PathLike, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Writes arrays by their names, none of which is `about`."""
    np.savez(path, **{ABOUT: json.dumps(about)}, **arrays)
