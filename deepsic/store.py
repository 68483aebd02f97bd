"""Models by their names: shipped ones, and folders by their paths."""

from __future__ import annotations

import dataclasses
import pathlib

from deepsic.errors import ModelError, UnknownModel
from deepsic.folders import CARD, STEP, Folder, open_folder
from deepsic.manifest import ARCHS

# What is compressed with unless something else is asked for.
DEFAULT_RATE = "0.5bpp"


def _find_checkpoints() -> pathlib.Path:
    """Where shipped models are: in the installed package, or in the clone around it."""
    inside = pathlib.Path(__file__).resolve().parent / "checkpoints"
    return inside if inside.is_dir() else inside.parent.parent / "checkpoints"


CHECKPOINTS = _find_checkpoints()


def shipped() -> list[Folder]:
    """The models under checkpoints/, by name: one for each head and each step that has a name."""
    folders = [open_folder(p.parent) for p in sorted(CHECKPOINTS.glob(f"*/{CARD}"))]
    models = [
        dataclasses.replace(folder, arch=arch, step=step)
        for folder in folders
        for arch in folder.archs
        for step in folder.named_steps.values() or [0]
    ]
    return sorted(models, key=lambda f: f.name)


def former() -> list[Folder]:
    """Models that shipped before, under checkpoints/former: only their files need them."""
    folders = [open_folder(p.parent) for p in sorted(CHECKPOINTS.glob(f"former/*/{CARD}"))]
    return [dataclasses.replace(folder, arch=arch) for folder in folders for arch in folder.archs]


def find_shipped(arch: str) -> list[Folder]:
    """The shipped models of one arch; raises ModelError if there are none."""
    found = [folder for folder in shipped() if folder.arch == arch]
    if not found:
        raise ModelError(f"no {arch} model is shipped under {CHECKPOINTS}.")
    return found


def choose(name: str | None, arch: str | None, has_target: bool) -> list[Folder]:
    """The models to compress with: the named one, or all shipped ones if a target decides.

    Args:
      name: see `find`; None for shipped models, `pre` ones if the arch is None.
      arch: whose head is wanted.
      has_target: whether a rate or quality is asked for (`deepsic.targets`).

    Raises:
      UnknownModel, ModelError: see `find`.
    """
    if name is not None:
        return [find(name, arch)]
    if has_target:
        return find_shipped(arch or "pre")
    return [find(f"{arch or 'pre'}-{DEFAULT_RATE}")]


def find(name: str | pathlib.Path, arch: str | None = None) -> Folder:
    """A model by the name of a shipped one, such as pre-0.5bpp, or by its folder's path.

    A folder with both heads is told by the arch: `pre-DIR` and `post-DIR` are the two models
    of `DIR`; `DIR` alone is the `pre` one. `DIR@STEP` chooses a step of a model with gains, by
    its number or its name; without, the lowest that has a name is meant.

    Args:
      name: of the model.
      arch: whose head is wanted, if the name does not say.

    Raises:
      UnknownModel: if there is no such model.
      ModelError: if it is damaged, or has no such step.
    """
    for folder in _shipped_as(str(name)):
        if arch in (None, folder.arch):
            return folder
    where, _, step = str(name).partition("@") if "@" in pathlib.Path(name).name else (name, "", "")
    path = pathlib.Path(where)
    for place in (path, *([CHECKPOINTS / path.name] if path.name == str(where) else [])):
        if (place / CARD).is_file():
            return _at(open_folder(place, arch), step)
        for prefix in ARCHS:
            bare = place.with_name(place.name.removeprefix(f"{prefix}-")) if place.name else place
            if bare != place and (bare / CARD).is_file() and arch in (None, prefix):
                return _at(open_folder(bare, prefix), step)
    known = ", ".join(f.name for f in shipped()) or "none"
    raise UnknownModel(f"there is no model {name}; shipped ones: {known}.")


def _shipped_as(name: str) -> list[Folder]:
    """Shipped models whose step has that name, with the arch before it or without."""
    if not any(c in name for c in "/\\"):
        return [
            f for f in shipped() if f.named_steps and name in (f.name, f.name[len(f.arch) + 1 :])
        ]
    return []


def _at(folder: Folder, step: str) -> Folder:
    """A model at one of its steps, by name or number."""
    number: int | None
    if not step:
        number = min(folder.named_steps.values(), default=0)
    elif step in folder.named_steps:
        number = folder.named_steps[step]
    else:
        number = int(step) if STEP.fullmatch(step) else None
    if number is None or number not in folder.config.steps:
        raise ModelError(f"{folder.path} has no step {step or number}.")
    return dataclasses.replace(folder, step=number)
