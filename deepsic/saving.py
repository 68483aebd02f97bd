"""Writes model folders (`deepsic.folders`)."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from deepsic.files import write_together
from deepsic.folders import CARD, FINGERPRINT_BYTES, Folder
from deepsic.labels import Labels
from deepsic.manifest import VERSION

if TYPE_CHECKING:
    import numpy as np

    from deepsic.graphs import Slot


# What decides, with the tables, what a file decodes to.
CODEC = ("codec/config.json", "codec/weights.npz", "labels.json")


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

        from deepsic import graphs

        empty, slots = io.BytesIO(), {n: s for n, (_, s) in self.graphs.items()}
        arrays = {n: np.frombuffer(graph, np.uint8) for n, (graph, _) in self.graphs.items()}
        np.savez_compressed(empty, **arrays)
        places = json.dumps({"version": graphs.VERSION, **slots}, indent=1)
        weights = io.BytesIO()
        np.savez(weights, **self.weights)
        return {
            f"{folder}/config.json": (json.dumps(self.config, indent=2) + "\n").encode(),
            f"{folder}/weights.npz": weights.getvalue(),
            f"{folder}/graphs.npz": empty.getvalue(),
            f"{folder}/graphs.json": places.encode(),
        }


def save(
    path: pathlib.Path,
    arch: str,
    codec: Part,
    head: Part,
    tables: bytes,
    labels: Labels,
    card: dict[str, Any],
    lambda1: Sequence[float] = (),
) -> Folder:
    """Writes a whole model folder with one head.

    Args:
      path: of the folder; an older model there is replaced.
      arch: of the model.
      codec, head: its two parts.
      tables: `Tables.to_bytes`, or `bundle`.
      labels: of its classes.
      card: anything worth knowing of this model.
      lambda1: of eq. 4, of each of its rates; none if that is not known.

    Raises:
      BadFile: if it cannot be written; an older model there is then whole.
    """
    files = codec.files("codec") | head.files(f"heads/{arch}")
    files["labels.json"] = json.dumps(dataclasses.asdict(labels)).encode()
    rates = {"lambda1": [float(v) for v in lambda1]} if len(lambda1) else {}
    return write(path, arch, files, tables, [], {arch: card}, rates)


def bundle(tables: Mapping[int, bytes]) -> bytes:
    """The coding tables of several steps, by step, as one file."""
    import numpy as np

    arrays: dict[str, np.ndarray] = {}
    for step, data in tables.items():
        with np.load(io.BytesIO(data)) as members:
            arrays |= {f"{step}/{name}": members[name] for name in members.files}
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def add_tables(folder: Folder, tables: bytes) -> Folder:
    """Adds coding tables to a model; files coded with its older ones still find theirs."""
    files = {name: folder.read(name) for name in folder.manifest["sha256"]}
    older, cards = folder.manifest["tables"], folder.manifest["cards"]
    return write(folder.path, folder.arch, files, tables, older, cards, folder.rates)


def write(
    path: pathlib.Path,
    arch: str,
    files: dict[str, bytes],
    tables: bytes,
    older: Sequence[str],
    cards: Mapping[str, Any],
    rates: Mapping[str, Any] | None = None,
) -> Folder:
    """Writes a folder from its files.

    Args:
      path: of the folder.
      arch: of the model that is returned.
      files: by name, without the newest tables.
      tables: the newest.
      older: fingerprints of the tables that are among the files.
      cards: by arch.
      rates: see `Folder.rates`.
    """
    fingerprint = fingerprint_of(files, tables)
    files[f"tables/{fingerprint}.npz"] = tables
    manifest = {
        "version": VERSION,
        "tables": [fingerprint, *(t for t in older if t != fingerprint)],
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "cards": dict(cards),
        **({"rates": dict(rates)} if rates else {}),
    }
    written = files | {CARD: (json.dumps(manifest, indent=2) + "\n").encode()}
    # The manifest last: a folder without one is no model.
    write_together({path / name: _writer(data) for name, data in written.items()})
    return Folder(path, arch, manifest)


def fingerprint_of(files: Mapping[str, bytes], tables: bytes) -> str:
    """What names a codec, its tables and its classes, in hexadecimal digits."""
    digest = hashlib.sha256(b"".join(files[name] for name in CODEC) + tables)
    return digest.hexdigest()[: 2 * FINGERPRINT_BYTES]


def _writer(data: bytes) -> Callable[[IO[bytes]], int]:
    return lambda handle: handle.write(data)
