"""Small archives without any model: fronts of files are all that a search of them reads."""

from __future__ import annotations

import os
import pathlib

from deepsic import container
from deepsic.container import Header
from deepsic.labels import Labels

CLASSES = ["n01440764", "n02102040", "n03028079"]  # tench, English springer, church
IMAGENET = Labels.of(CLASSES)


def write_pre(path: pathlib.Path, probabilities: list[float], topk: int = 0, **kwargs) -> None:
    """A `pre` file of a model that is nowhere, with the label that its head would give."""
    labels = kwargs.pop("labels", IMAGENET)
    semantics = labels.semantics(probabilities, alternatives=topk, **{"threshold": 0.5} | kwargs)
    header = Header("pre", b"none", 40, 30, semantics)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(container.pack(header, b"payload"))


def write_archive(folder: pathlib.Path) -> pathlib.Path:
    """Three files that say a class, one that says less, one with alternatives, three bad ones."""
    write_pre(folder / "fish.dsic", [0.9, 0.05, 0.05])
    write_pre(folder / "in" / "dog.dsic", [0.1, 0.8, 0.1])
    write_pre(folder / "in" / "church.dsic", [0.0, 0.0, 1.0])
    write_pre(folder / "vertebrate.dsic", [0.4, 0.35, 0.25])
    write_pre(folder / "perhaps.dsic", [0.3, 0.4, 0.3], topk=3)
    (folder / "empty.dsic").write_bytes(b"")
    damaged = bytearray((folder / "fish.dsic").read_bytes())
    damaged[12] ^= 1
    (folder / "in" / "damaged.dsic").write_bytes(damaged)
    os.symlink(folder / "nowhere.dsic", folder / "broken.dsic")
    (folder / "notes.txt").write_text("no picture")
    return folder
