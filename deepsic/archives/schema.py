"""The columns of an archive, and how a file becomes a row of it.

    path             of the picture, from the folder that was coded
    width, height    pixels
    bytes            of the `.dsic` file
    model            a shipped model's name, or else its arch and fingerprint
    label, name      what it shows: id and name of a node of the model's tree
    probability      of that
    levels           names from the most general one to `name`
    alternatives     likely classes besides: label, name, probability
    original_bytes   of the picture before it was coded
    original_sha256  of its bytes, hexadecimal
    time             when the row was made
    error            why there is no file; all else but `path` is then null
    dsic             the file itself

Files of `post` models that nobody has classified have no label.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepsic import container, extras, labels, treecode
from deepsic.archives.places import EXTRA
from deepsic.container import Header, Semantics
from deepsic.errors import UnknownModel
from deepsic.registry import Registry
from deepsic.taxonomy import Taxonomy
from deepsic.treecode import Description

if TYPE_CHECKING:
    import pyarrow as pa

EXTENSION = ".parquet"
# Of bytes of `dsic` that are held at once; what is read together where rows are asked for.
ROW_GROUP_BYTES = 16 << 20
# Columns with few different values.
WORDS = ("model", "label", "name", "levels", "alternatives", "error")


@functools.cache
def schema() -> pa.Schema:
    """The columns with their types."""
    pa = extras.need(EXTRA, "pyarrow", "pyarrow.parquet")
    other = pa.struct(
        [("label", pa.string()), ("name", pa.string()), ("probability", pa.float32())]
    )
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("bytes", pa.int32()),
            ("model", pa.string()),
            ("label", pa.string()),
            ("name", pa.string()),
            ("probability", pa.float32()),
            ("levels", pa.list_(pa.string())),
            ("alternatives", pa.list_(other)),
            ("original_bytes", pa.int64()),
            ("original_sha256", pa.string()),
            ("time", pa.timestamp("us", "UTC")),
            ("error", pa.string()),
            ("dsic", pa.binary()),
        ]
    )


def writer_options() -> dict[str, Any]:
    """Of `pyarrow.parquet.ParquetWriter`: what is coded already is not compressed again."""
    leaves = [leaf for field in schema() for leaf in _leaves(field.name, field.type)]
    return {
        "compression": {n: "NONE" if n == "dsic" else "ZSTD" for n in leaves},
        "use_dictionary": [n for n in leaves if n.split(".")[0] in WORDS and "prob" not in n],
        "write_statistics": [n for n in leaves if n not in ("dsic", "original_sha256")],
    }


def _leaves(path: str, kind: pa.DataType) -> list[str]:
    """The columns in a file that hold a column of the schema."""
    from pyarrow import types

    if types.is_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    if types.is_struct(kind):
        return [leaf for f in kind for leaf in _leaves(f"{path}.{f.name}", f.type)]
    return [path]


class Rows:
    """Makes rows of files.

    Args:
      models: for the names of models, and for classes that are not ImageNet's.
    """

    def __init__(self, models: Registry) -> None:
        self._models = models
        self._names: dict[tuple[str, bytes, int], str] = {}

    def make(
        self,
        path: str,
        data: bytes,
        semantics: Semantics | None = None,
        original: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A file as a row.

        Args:
          path: of the picture.
          data: the file.
          semantics: what a `post` file shows, if its head was asked.
          original: `original_bytes` and `original_sha256`, if they are known.

        Raises:
          CorruptFile: if the file is damaged.
          ModelError: if its classes are of a model that is not here.
        """
        header, _ = container.unpack(data)
        found = header.semantics or semantics
        return {
            "path": path,
            "width": header.width,
            "height": header.height,
            "bytes": len(data),
            "model": self._model(header),
            "time": now(),
            "dsic": bytes(data),
            **({} if found is None else self._label(found, header)),
            **(original or {}),
        }

    def _model(self, header: Header) -> str:
        key = header.arch, header.fingerprint, header.step
        if key not in self._names:
            self._names[key] = model_name(header, self._models)
        return self._names[key]

    def _label(self, semantics: Semantics, header: Header) -> dict[str, Any]:
        own = None if semantics.imagenet else self._models.labels(header)
        known = labels.get_taxonomy(semantics, own)
        return _columns(known, treecode.unpack(known.tree, semantics.section))


def model_name(header: Header, models: Registry) -> str:
    """What a file's model is called in an archive: a shipped one's name, or its fingerprint."""
    from deepsic import store

    try:
        folder = models.folder(header)
        if folder.path.resolve().parent == store.CHECKPOINTS.resolve():
            return folder.name
    except UnknownModel:
        pass
    return f"{header.arch} {header.fingerprint.hex()}"


def failure(path: str, reason: str, original: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A picture that there is no file of, as a row."""
    return {"path": path, "error": reason, "time": now(), **(original or {})}


def now() -> datetime.datetime:
    """The time of a row."""
    return datetime.datetime.now(datetime.timezone.utc)


def _columns(known: Taxonomy, found: Description) -> dict[str, Any]:
    others = [
        {"label": known.ids[b.node], "name": known.names[b.node], "probability": b.probability}
        for b in found.alternatives
    ]
    return {
        "label": known.ids[found.node],
        "name": known.names[found.node],
        "probability": found.probability,
        "levels": known.names_of(found.node),
        "alternatives": others or None,
    }
