"""Model folders: saving, loading, finding one by name or fingerprint.

    config.json          deepsic.config.ModelConfig
    weights.npz          float16 arrays, one a variable
    tables-XXXXXXXX.npz  coding tables; XXXXXXXX is the fingerprint that files carry.
                         A refit adds one, and files coded before still find theirs
    labels.json          the classes
    model.json           the card: checksums of all that, command, data, results

Nothing here is executable: JSON, and NumPy arrays without pickles. A folder may come
from a stranger: see `deepsic.untrusted`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import pathlib
import re
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from deepsic.config import PARTS, ModelConfig
from deepsic.errors import ModelError
from deepsic.files import write_together
from deepsic.labels import Labels
from deepsic.untrusted import load_arrays, parse_json, read_plain

if TYPE_CHECKING:
    from deepsic.coding.tables import Tables
    from models.deepsic import DeepSIC

CHECKPOINTS = pathlib.Path(__file__).resolve().parent.parent / "checkpoints"
CARD = "model.json"
FINGERPRINT_BYTES = 4
_TABLES = re.compile(r"[0-9a-f]{8}")
# No other file of the folder is read or written, whatever the card says.
_NAMES = re.compile(r"(config|labels)\.json|weights\.npz|tables-[0-9a-f]{8}\.npz")


@dataclasses.dataclass(frozen=True)
class Folder:
    """A model folder whose card has been read; nothing else is opened yet.

    Attributes:
      path: of the folder.
      card: the parsed model.json.
    """

    path: pathlib.Path
    card: dict[str, Any]

    @property
    def fingerprints(self) -> list[bytes]:
        """Of every table in the folder, newest first."""
        return [bytes.fromhex(t) for t in self.card["tables"]]

    @property
    def config(self) -> ModelConfig:
        """The model's configuration, checked."""
        what = f"{self.path}/config.json"
        values = parse_json(self.read("config.json"), what)
        try:
            return ModelConfig.from_dict(values)
        except (ValueError, TypeError) as error:
            raise ModelError(f"{what} is damaged: {error}") from error

    @property
    def labels(self) -> Labels:
        """The model's classes."""
        what = f"{self.path}/labels.json"
        values = parse_json(self.read("labels.json"), what)
        try:
            return Labels.from_dict(values)
        except (ValueError, TypeError) as error:
            raise ModelError(f"{what} is damaged: {error}") from error

    def read_tables(self, fingerprint: bytes | None = None) -> bytes:
        """The file of the coding tables with a fingerprint, or of the newest."""
        return self.read(f"tables-{(fingerprint or self.fingerprints[0]).hex()}.npz")

    def read(self, name: str) -> bytes:
        """A file of the folder, after comparing its checksum with the card's."""
        path = self.path / name
        data = read_plain(path)
        if hashlib.sha256(data).hexdigest() != self.card["sha256"].get(name):
            raise ModelError(f"{path} is damaged: its checksum is not the one in {CARD}.")
        return data


def open_folder(path: pathlib.Path) -> Folder:
    """Reads a folder's card.

    Raises:
      ModelError: if there is none or it is damaged.
    """
    if not (path / CARD).exists():
        raise ModelError(f"{path} is no model folder: it has no {CARD}.")
    card = parse_json(read_plain(path / CARD), str(path / CARD))
    try:
        _check_card(card)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path / CARD} is damaged: {error}.") from error
    return Folder(path, card)


def _check_card(card: Any) -> None:
    tables, checksums = card["tables"], card["sha256"]
    if not isinstance(checksums, dict) or not all(map(_NAMES.fullmatch, checksums)):
        raise ValueError("it has no checksums, or names files that no model has")
    if not isinstance(tables, list) or not tables or not all(map(_TABLES.fullmatch, tables)):
        raise ValueError("it names no tables")


def shipped() -> list[Folder]:
    """The folders under checkpoints/, by name."""
    return [open_folder(p.parent) for p in sorted(CHECKPOINTS.glob(f"*/{CARD}"))]


def find(name: str) -> Folder:
    """A model by the name of a shipped one, or by its folder's path.

    Raises:
      ModelError: if there is no such model.
    """
    path = pathlib.Path(name)
    if (path / CARD).is_file():
        return open_folder(path)
    if (CHECKPOINTS / path.name / CARD).is_file() and path.name == name:
        return open_folder(CHECKPOINTS / name)
    known = ", ".join(f.path.name for f in shipped()) or "none"
    raise ModelError(f"there is no model {name}; shipped ones: {known}.")


def find_by_fingerprint(fingerprint: bytes, name: str | None = None) -> Folder:
    """The model that a file names.

    Args:
      fingerprint: 4 bytes from the file.
      name: only look at this model.

    Raises:
      ModelError: if no model here has that fingerprint.
    """
    candidates = [find(name)] if name else shipped()
    for folder in candidates:
        if fingerprint in folder.fingerprints:
            return folder
    where = f"{name} is another model" if name else "no shipped model is that one"
    raise ModelError(
        f"the file needs the model {fingerprint.hex()} and {where};"
        " name its folder with --model=DIR."
    )


def variables_of(model: DeepSIC) -> dict[str, Any]:
    """Variables by the attributes that lead to them, such as features/convs/0/kernel."""
    import tensorflow as tf

    view = tf.train.TrackableView(model)
    named: dict[str, Any] = {}
    seen: set[int] = set()

    def visit(node: Any, path: str) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, tf.Variable):
            named[path] = node
            return
        for name, child in sorted(view.children(node).items()):
            visit(child, f"{path}/{name}")

    for part in PARTS:
        visit(getattr(model, part), part)
    assert len(named) == len(model.variables), "a variable belongs to no part"
    return named


def load_networks(folder: Folder) -> DeepSIC:
    """The networks of a model, with their weights.

    Raises:
      ModelError: if weights are missing, of the wrong shape, or not finite.
    """
    import numpy as np

    from models.deepsic import DeepSIC

    arrays = load_arrays(folder.read("weights.npz"), f"{folder.path}/weights.npz")
    model = DeepSIC(folder.config)
    model.create_variables()
    variables = variables_of(model)
    for name, variable in variables.items():
        array = arrays.get(name)
        if array is None or array.shape != tuple(variable.shape) or not np.isfinite(array).all():
            raise ModelError(f"{folder.path}/weights.npz has no usable {name}.")
        variable.assign(array.astype(np.float32))
    return model


def load_tables(folder: Folder, fingerprint: bytes | None = None) -> Tables:
    """Coding tables of a model: those a file names, or the newest."""
    from deepsic.coding.tables import Tables

    what = f"a coding table of {folder.path}"
    arrays = load_arrays(folder.read_tables(fingerprint), what)
    try:
        return Tables.from_arrays(arrays)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise ModelError(f"{what} is damaged: {error}.") from error


def copy_weights(folder: Folder, model: DeepSIC) -> list[str]:
    """Starts a model from another one's weights, where the shapes agree.

    Returns:
      Names of the variables that were left as they are.
    """
    import numpy as np

    arrays = load_arrays(folder.read("weights.npz"), f"{folder.path}/weights.npz")
    left = []
    for name, variable in variables_of(model).items():
        if name in arrays and arrays[name].shape == tuple(variable.shape):
            variable.assign(arrays[name].astype(np.float32))
        else:
            left.append(name)
    return left


def save(
    path: pathlib.Path, model: DeepSIC, tables: bytes, labels: Labels, card: dict[str, Any]
) -> Folder:
    """Writes a whole model folder.

    Args:
      path: of the folder; an older model there is replaced.
      model: whose weights are stored as float16.
      tables: `Tables.to_bytes`.
      labels: of its classes.
      card: anything worth knowing; checksums and fingerprints are added.

    Raises:
      BadFile: if it cannot be written; an older model there is then whole.
    """
    import numpy as np

    weights = io.BytesIO()
    arrays = {k: v.numpy().astype(np.float16) for k, v in variables_of(model).items()}
    np.savez_compressed(weights, **arrays)
    files = {
        "config.json": model.config.to_json().encode(),
        "weights.npz": weights.getvalue(),
        "labels.json": json.dumps(dataclasses.asdict(labels)).encode(),
    }
    return _write(path, files, tables, card)


def add_tables(folder: Folder, tables: bytes) -> Folder:
    """Adds coding tables to a model; files coded with its older ones still find theirs."""
    files = {name: folder.read(name) for name in folder.card["sha256"]}
    return _write(folder.path, files, tables, folder.card)


def _write(
    path: pathlib.Path, files: dict[str, bytes], tables: bytes, card: dict[str, Any]
) -> Folder:
    named = files["config.json"] + files["weights.npz"] + files["labels.json"] + tables
    digest = hashlib.sha256(named)
    fingerprint = digest.hexdigest()[: 2 * FINGERPRINT_BYTES]
    files[f"tables-{fingerprint}.npz"] = tables
    older = [t for t in card.get("tables", []) if t != fingerprint]
    card = card | {
        "tables": [fingerprint, *older],
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    files[CARD] = json.dumps(card, indent=2).encode()
    # The card last: a folder without one is no model.
    write_together({path / name: _writer(data) for name, data in files.items()})
    return Folder(path, card)


def _writer(data: bytes) -> Callable[[IO[bytes]], int]:
    return lambda handle: handle.write(data)
