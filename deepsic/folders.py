"""Model folders: what is in one, and reading it.

    model.json              the manifest: version, fingerprints of the tables, checksums, cards
    labels.json             the classes
    codec/                  what both heads share: features, reconstruction, prior
      config.json           its part of `deepsic.config.ModelConfig`
      weights.npz           float16 arrays by name (`models.weights` has the names)
      graphs.npz, .json     the networks for LiteRT, without weights (`deepsic.graphs`)
    heads/pre/, heads/post/ the semantic head of either arch, or of both: the same four files
    tables/XXXXXXXX.npz     coding tables; XXXXXXXX is the fingerprint that files carry.
                            A refit adds one, and files coded before still find theirs.
                            Of models with gains it holds tables of several steps, each
                            array's name led by its step and a slash

A fingerprint names a codec, its tables and its classes; whether a file is of the `pre` or the
`post` head, its header says. A model with gains has many steps, of which the manifest gives
some a name and each gain's λ1: "rates": {"names": {"0.5bpp": 32}, "lambda1": [0.005, 0.01]}.
Nothing here is executable but LiteRT's graphs: JSON, and NumPy arrays without pickles. A folder
may come from a stranger: see `deepsic.untrusted`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deepsic.config import ModelConfig, nearest_rates
from deepsic.errors import ModelError
from deepsic.labels import Labels
from deepsic.manifest import ARCHS, check
from deepsic.untrusted import array_names, load_arrays, parse_json, read_plain

if TYPE_CHECKING:
    import numpy as np

    from deepsic.coding.tables import Tables

CARD = "model.json"
FINGERPRINT_BYTES = 4
GRAPHS = {
    "features": "codec",
    "reconstruction": "codec",
    "gradient": "codec",
    "first_stages": "head",
    "describe": "head",
    "decide": "head",
}
# Of a configuration; all else is the codec's.
HEAD_FIELDS = ("classes", "head", "head_input", "head_width", "head_depth")
STEP = re.compile(r"0|-?[1-9][0-9]{0,2}")


@dataclasses.dataclass(frozen=True)
class Folder:
    """A model folder whose manifest has been read, with one of its heads; nothing else is opened.

    Attributes:
      path: of the folder.
      arch: whose head is meant, `pre` or `post`.
      manifest: the parsed model.json.
      step: which of the model's quantiser steps is meant; 0 where it has one only.
    """

    path: pathlib.Path
    arch: str
    manifest: dict[str, Any]
    step: int = 0

    @property
    def name(self) -> str:
        """What it is called: by its step or its folder, and by its arch where there are both."""
        if self.rate_name:
            return f"{self.arch}-{self.rate_name}"
        name = self.path.resolve().name
        name = f"{self.arch}-{name}" if len(self.archs) > 1 else name
        return f"{name}@{self.step}" if self.step else name

    @property
    def reference(self) -> str:
        """What `find` takes for this very model."""
        path = self.path.resolve()
        path = path.with_name(f"{self.arch}-{path.name}") if len(self.archs) > 1 else path
        return f"{path}@{self.step}" if self.step else str(path)

    @property
    def rate_name(self) -> str:
        """What the step is called; empty if it has no name."""
        return next((n for n, step in self.named_steps.items() if step == self.step), "")

    @property
    def identity(self) -> str:
        """The newest fingerprint, in hexadecimal digits, and the step where there are several."""
        newest = self.fingerprints[0].hex()
        several = len(self.rates.get("lambda1", [])) > 1
        return f"{newest}@{self.step}" if several else newest

    @property
    def named_steps(self) -> dict[str, int]:
        """Steps that have a name of their own, from the lowest rate to the highest."""
        return self.rates.get("names", {})

    @property
    def rates(self) -> dict[str, Any]:
        """What the manifest says of the model's rates.

        `names` of steps, `lambda1` of each gain, and the first and the last of the `steps` that
        a search for a target tries.
        """
        return self.manifest.get("rates", {})

    @property
    def best_steps(self) -> range:
        """Steps at which no model shipped beside it is better; if unsaid, those that were trained.

        Raises:
          ModelError: if the model has no such steps.
        """
        first, last = self.rates.get("steps", (0, self.config.trained_steps[-1]))
        if not (first <= last and {first, last} <= {*self.config.steps}):
            raise ModelError(f"{self.path}: its manifest names steps that the model has not.")
        return range(first, last + 1)

    def get_lambda1(self, step: int) -> float:
        """λ1 of eq. 4 of a step: geometric between those that the gains were trained for.

        Raises:
          ModelError: if the manifest does not say.
        """
        known = self.rates.get("lambda1", [])
        if len(known) != max(1, self.config.gains):
            raise ModelError(f"{self.path}: its manifest does not tell λ1 of its rates.")
        index = self.config.get_rate_index(step)
        low, high, share = nearest_rates(index, len(known))
        return float(known[low] ** (1 - share) * known[high] ** share)

    @property
    def archs(self) -> list[str]:
        """The heads in the folder."""
        return [a for a in ARCHS if a in self.manifest["cards"]]

    @property
    def card(self) -> dict[str, Any]:
        """How this model was made, and what was measured of it."""
        return self.manifest["cards"][self.arch]

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of all files of this model, with its newest tables, by name."""
        newest = f"tables/{self.fingerprints[0].hex()}.npz"
        return {
            name: value
            for name, value in self.manifest["sha256"].items()
            if name.startswith(("codec/", f"heads/{self.arch}/", "labels")) or name == newest
        }

    @property
    def fingerprints(self) -> list[bytes]:
        """Of every table in the folder, newest first."""
        return [bytes.fromhex(t) for t in self.manifest["tables"]]

    @functools.cached_property
    def config(self) -> ModelConfig:
        """The model's configuration, checked."""
        values: dict[str, Any] = {"arch": self.arch}
        for part, is_head in (("codec", False), (f"heads/{self.arch}", True)):
            found = self._json(f"{part}/config.json")
            if not isinstance(found, dict) or any((k in HEAD_FIELDS) != is_head for k in found):
                raise ModelError(
                    f"{self.path}/{part}/config.json is damaged: it is of another part."
                )
            values |= found
        try:
            return ModelConfig.from_dict(values)
        except (ValueError, TypeError) as error:
            raise ModelError(f"{self.path}/codec/config.json is damaged: {error}") from error

    @property
    def labels(self) -> Labels:
        """The model's classes; those of a pretrained head are always ImageNet's."""
        if self.config.head == "pretrained":
            return Labels.of_imagenet()
        values = self._json("labels.json")
        try:
            return Labels.from_dict(values)
        except (ValueError, TypeError) as error:
            raise ModelError(f"{self.path}/labels.json is damaged: {error}") from error

    def weights(self) -> dict[str, np.ndarray]:
        """All weights of codec and head, float16, by name."""
        return {**self._arrays("codec/weights.npz"), **self._arrays(f"{self._head}/weights.npz")}

    def codec_weights(self, *names: str) -> dict[str, np.ndarray]:
        """Those of the codec that have one of the names; the others are not unpacked."""
        return self._arrays("codec/weights.npz", names)

    def graph(self, name: str) -> bytes:
        """One of GRAPHS, a .tflite file, with its weights."""
        from deepsic import graphs

        part = "codec" if GRAPHS[name] == "codec" else self._head
        what = f"{self.path}/{part}/graphs.npz"
        slots = self._json(f"{part}/graphs.json")
        try:
            if slots["version"] != graphs.VERSION:
                raise ValueError(f"its version {slots['version']} is not known here")
            weights = self._arrays("codec/weights.npz") if part == "codec" else self.weights()
            empty = self._arrays(f"{part}/graphs.npz")[name]
            return graphs.put_in(empty.tobytes(), slots[name], weights)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ModelError(f"{what} is damaged: {str(error).rstrip('.')}.") from error

    def tables(self, fingerprint: bytes | None = None) -> dict[int, Callable[[], Tables]]:
        """The coding tables that a file names, or the newest: by step, each made when called."""
        from deepsic.coding.tables import Tables

        what = f"a coding table of {self.path}"
        data = self.read_tables(fingerprint)

        def make(prefix: str) -> Tables:
            try:
                arrays = load_arrays(data, what, prefix)
                return Tables.from_arrays({n[len(prefix) :]: a for n, a in arrays.items()})
            except (KeyError, ValueError, IndexError, TypeError) as error:
                raise ModelError(f"{what} is damaged: {error}.") from error

        steps = sorted({name.rpartition("/")[0] for name in array_names(data, what)})
        if steps == [""]:
            return {0: functools.partial(make, "")}
        if not all(map(STEP.fullmatch, steps)):
            raise ModelError(f"{what} is damaged: it is of no steps.")
        return {int(step): functools.partial(make, f"{step}/") for step in steps}

    def read_tables(self, fingerprint: bytes | None = None) -> bytes:
        """The file of the coding tables with a fingerprint, or of the newest."""
        return self.read(f"tables/{(fingerprint or self.fingerprints[0]).hex()}.npz")

    def read(self, name: str) -> bytes:
        """A file of the folder, after comparing its checksum with the manifest's."""
        path = self.path / name
        for parent in path.parents[: name.count("/")]:
            if parent.is_symlink():
                raise ModelError(
                    f"{parent} is a link; the files of a model must lie in its folder."
                )
        data = read_plain(path)
        if hashlib.sha256(data).hexdigest() != self.manifest["sha256"].get(name):
            raise ModelError(f"{path} is damaged: its checksum is not the one in {CARD}.")
        return data

    @property
    def _head(self) -> str:
        return f"heads/{self.arch}"

    def _json(self, name: str) -> Any:
        return parse_json(self.read(name), f"{self.path}/{name}")

    def _arrays(self, name: str, prefix: str | tuple[str, ...] = "") -> dict[str, np.ndarray]:
        return load_arrays(self.read(name), f"{self.path}/{name}", prefix)


def open_folder(path: pathlib.Path, arch: str | None = None) -> Folder:
    """Reads a folder's manifest.

    Args:
      path: of the folder.
      arch: whose head is wanted; if None, `pre` where there is one.

    Raises:
      ModelError: if there is no manifest, it is damaged, or it has no such head.
    """
    if not (path / CARD).exists():
        raise ModelError(f"{path} is no model folder: it has no {CARD}.")
    manifest = parse_json(read_plain(path / CARD), str(path / CARD))
    try:
        check(manifest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path / CARD} is damaged: {error}.") from error
    folder = Folder(path, next(a for a in ARCHS if a in manifest["cards"]), manifest)
    if arch is None or arch == folder.arch:
        return folder
    if arch not in folder.archs:
        raise ModelError(f"{path} has no {arch} model, only {folder.arch}.")
    return dataclasses.replace(folder, arch=arch)
