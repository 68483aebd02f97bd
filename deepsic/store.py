"""Model folders: saving, loading, finding one by its name.

    model.json              the manifest: version, fingerprints of the tables, checksums, cards
    labels.json             the classes
    codec/                  what both heads share: features, reconstruction, prior
      config.json           its part of `deepsic.config.ModelConfig`
      weights.npz           float16 arrays by name (`models.weights` has the names)
      graphs.npz, .json     the networks for LiteRT, without weights (`deepsic.graphs`)
    heads/pre/, heads/post/ the semantic head of either arch, or of both: the same four files
    tables/XXXXXXXX.npz     coding tables; XXXXXXXX is the fingerprint that files carry.
                            A refit adds one, and files coded before still find theirs

A fingerprint names a codec, its tables and its classes; whether a file is of the `pre` or the
`post` head, its header says. Nothing here is executable but LiteRT's graphs: JSON, and NumPy
arrays without pickles. A folder may come from a stranger: see `deepsic.untrusted`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from deepsic.config import ModelConfig
from deepsic.errors import ModelError, UnknownModel
from deepsic.files import write_together
from deepsic.labels import Labels
from deepsic.untrusted import load_arrays, parse_json, read_plain

if TYPE_CHECKING:
    import numpy as np

    from deepsic.coding.tables import Tables
    from deepsic.graphs import Slot

VERSION = 2
CARD = "model.json"
FINGERPRINT_BYTES = 4
ARCHS = ("pre", "post")
GRAPHS = {"features": "codec", "reconstruction": "codec", "describe": "head", "decide": "head"}
# Of a configuration; all else is the codec's.
HEAD_FIELDS = ("classes", "head", "head_width", "head_depth")
_TABLES = re.compile(r"[0-9a-f]{8}")
# No other file of the folder is read or written, whatever the manifest says.
_NAMES = re.compile(
    r"labels\.json|tables/[0-9a-f]{8}\.npz"
    r"|(codec|heads/(pre|post))/(config\.json|weights\.npz|graphs\.(npz|json))"
)


def _find_checkpoints() -> pathlib.Path:
    """Where shipped models are: in the installed package, or in the clone around it."""
    inside = pathlib.Path(__file__).resolve().parent / "checkpoints"
    return inside if inside.is_dir() else inside.parent.parent / "checkpoints"


CHECKPOINTS = _find_checkpoints()


@dataclasses.dataclass(frozen=True)
class Folder:
    """A model folder whose manifest has been read, with one of its heads; nothing else is opened.

    Attributes:
      path: of the folder.
      arch: whose head is meant, `pre` or `post`.
      manifest: the parsed model.json.
    """

    path: pathlib.Path
    arch: str
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """What it is called: by its folder, and by its arch where there are both."""
        name = self.path.resolve().name
        return f"{self.arch}-{name}" if len(self.archs) > 1 else name

    @property
    def reference(self) -> str:
        """What `find` takes for this very model."""
        path = self.path.resolve()
        return str(path.with_name(f"{self.arch}-{path.name}") if len(self.archs) > 1 else path)

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

    @property
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

    def graph(self, name: str) -> bytes:
        """One of GRAPHS, a .tflite file, with its weights."""
        from deepsic import graphs

        part = "codec" if GRAPHS[name] == "codec" else self._head
        what = f"{self.path}/{part}/graphs.npz"
        slots = self._json(f"{part}/graphs.json")
        try:
            if slots["version"] != graphs.VERSION:
                raise ValueError(f"its version {slots['version']} is not known here")
            weights = self._arrays(f"{part}/weights.npz")
            empty = self._arrays(f"{part}/graphs.npz")[name]
            return graphs.put_in(empty.tobytes(), slots[name], weights)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ModelError(f"{what} is damaged: {str(error).rstrip('.')}.") from error

    def tables(self, fingerprint: bytes | None = None) -> Tables:
        """The coding tables that a file names, or the newest."""
        from deepsic.coding.tables import Tables

        what = f"a coding table of {self.path}"
        arrays = load_arrays(self.read_tables(fingerprint), what)
        try:
            return Tables.from_arrays(arrays)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ModelError(f"{what} is damaged: {error}.") from error

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

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        return load_arrays(self.read(name), f"{self.path}/{name}")


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
        _check_manifest(manifest)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path / CARD} is damaged: {error}.") from error
    folder = Folder(path, next(a for a in ARCHS if a in manifest["cards"]), manifest)
    if arch is None or arch == folder.arch:
        return folder
    if arch not in folder.archs:
        raise ModelError(f"{path} has no {arch} model, only {folder.arch}.")
    return dataclasses.replace(folder, arch=arch)


def _check_manifest(manifest: Any) -> None:
    if manifest["version"] != VERSION:
        raise ValueError(f"its version {manifest['version']!r} is not known here")
    tables, checksums, cards = manifest["tables"], manifest["sha256"], manifest["cards"]
    if not isinstance(checksums, dict) or not all(map(_NAMES.fullmatch, checksums)):
        raise ValueError("it has no checksums, or names files that no model has")
    if not isinstance(tables, list) or not tables or not all(map(_TABLES.fullmatch, tables)):
        raise ValueError("it names no tables")
    if not isinstance(cards, dict) or not cards or not set(cards) <= set(ARCHS):
        raise ValueError("it names no head")
    if not all(isinstance(card, dict) for card in cards.values()):
        raise ValueError("a card is of another kind")


def shipped() -> list[Folder]:
    """The models under checkpoints/, by name; a folder with two heads is two models."""
    folders = [open_folder(p.parent) for p in sorted(CHECKPOINTS.glob(f"*/{CARD}"))]
    models = [dataclasses.replace(f, arch=arch) for f in folders for arch in f.archs]
    return sorted(models, key=lambda f: f.name)


def find(name: str | pathlib.Path, arch: str | None = None) -> Folder:
    """A model by the name of a shipped one, such as pre-0.5bpp, or by its folder's path.

    A folder with both heads is told by the arch: `pre-DIR` and `post-DIR` are the two models
    of `DIR`; `DIR` alone is the `pre` one.

    Args:
      name: of the model.
      arch: whose head is wanted, if the name does not say.

    Raises:
      UnknownModel: if there is no such model.
      ModelError: if it is damaged.
    """
    path = pathlib.Path(name)
    for place in (path, *([CHECKPOINTS / path.name] if path.name == str(name) else [])):
        if (place / CARD).is_file():
            return open_folder(place, arch)
        for prefix in ARCHS:
            bare = place.with_name(place.name.removeprefix(f"{prefix}-")) if place.name else place
            if bare != place and (bare / CARD).is_file() and arch in (None, prefix):
                return open_folder(bare, prefix)
    known = ", ".join(f.name for f in shipped()) or "none"
    raise UnknownModel(f"there is no model {name}; shipped ones: {known}.")


@dataclasses.dataclass(frozen=True)
class Part:
    """The files of a codec or a head, before they are written.

    Attributes:
      config: its fields of the configuration.
      weights: float16, by name.
      graphs: without weights, each with its slots.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]
    graphs: Mapping[str, tuple[bytes, Sequence[Slot]]]

    def files(self, folder: str) -> dict[str, bytes]:
        """What is written, by name, under codec/ or heads/ARCH/."""
        import numpy as np

        from deepsic.graphs import VERSION

        empty, slots = io.BytesIO(), {n: s for n, (_, s) in self.graphs.items()}
        arrays = {n: np.frombuffer(graph, np.uint8) for n, (graph, _) in self.graphs.items()}
        np.savez_compressed(empty, **arrays)
        weights = io.BytesIO()
        np.savez(weights, **self.weights)
        return {
            f"{folder}/config.json": (json.dumps(self.config, indent=2) + "\n").encode(),
            f"{folder}/weights.npz": weights.getvalue(),
            f"{folder}/graphs.npz": empty.getvalue(),
            f"{folder}/graphs.json": json.dumps({"version": VERSION, **slots}, indent=1).encode(),
        }


def save(
    path: pathlib.Path,
    arch: str,
    codec: Part,
    head: Part,
    tables: bytes,
    labels: Labels,
    card: dict[str, Any],
) -> Folder:
    """Writes a whole model folder with one head.

    Args:
      path: of the folder; an older model there is replaced.
      arch: of the model.
      codec, head: its two parts.
      tables: `Tables.to_bytes`.
      labels: of its classes.
      card: anything worth knowing of this model.

    Raises:
      BadFile: if it cannot be written; an older model there is then whole.
    """
    files = codec.files("codec") | head.files(f"heads/{arch}")
    files["labels.json"] = json.dumps(dataclasses.asdict(labels)).encode()
    return write(path, arch, files, tables, [], {arch: card})


def add_tables(folder: Folder, tables: bytes) -> Folder:
    """Adds coding tables to a model; files coded with its older ones still find theirs."""
    files = {name: folder.read(name) for name in folder.manifest["sha256"]}
    older, cards = folder.manifest["tables"], folder.manifest["cards"]
    return write(folder.path, folder.arch, files, tables, older, cards)


def write(
    path: pathlib.Path,
    arch: str,
    files: dict[str, bytes],
    tables: bytes,
    older: Sequence[str],
    cards: Mapping[str, Any],
) -> Folder:
    """Writes a folder from its files.

    Args:
      path: of the folder.
      arch: of the model that is returned.
      files: by name, without the newest tables.
      tables: the newest.
      older: fingerprints of the tables that are among the files.
      cards: by arch.
    """
    fingerprint = fingerprint_of(files, tables)
    files[f"tables/{fingerprint}.npz"] = tables
    manifest = {
        "version": VERSION,
        "tables": [fingerprint, *(t for t in older if t != fingerprint)],
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "cards": dict(cards),
    }
    written = files | {CARD: (json.dumps(manifest, indent=2) + "\n").encode()}
    # The manifest last: a folder without one is no model.
    write_together({path / name: _writer(data) for name, data in written.items()})
    return Folder(path, arch, manifest)


def fingerprint_of(files: Mapping[str, bytes], tables: bytes) -> str:
    """What names a codec, its tables and its classes, in hexadecimal digits."""
    names = ("codec/config.json", "codec/weights.npz", "labels.json")
    digest = hashlib.sha256(b"".join(files[name] for name in names) + tables)
    return digest.hexdigest()[: 2 * FINGERPRINT_BYTES]


def _writer(data: bytes) -> Callable[[IO[bytes]], int]:
    return lambda handle: handle.write(data)
