"""Photographs that installed packages bring along, for trying things without a network."""

from __future__ import annotations

import pathlib

import numpy as np

SKIMAGE = ("astronaut", "chelsea", "coffee", "rocket")
SKLEARN = ("china", "flower")


def sample_images() -> dict[str, np.ndarray]:
    """Photographs by name, each uint8 (H, W, 3)."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    found = {name: getattr(data, name)() for name in SKIMAGE}
    found |= {name: load_sample_image(f"{name}.jpg") for name in SKLEARN}
    return {name: np.ascontiguousarray(x[..., :3]) for name, x in found.items()}


def write_samples(folder: pathlib.Path) -> None:
    """Writes the photographs as PNGs."""
    from deepsic.images import write_image

    for name, x in sample_images().items():
        write_image(folder / f"{name}.png", x)
