"""One picture through one codec: real files, real decodes, rows of figures."""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
import platform
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from deepsic import folders, images, store
from deepsic.errors import ModelError
from deepsic.targets import DEFAULT_EFFORT
from evaluation import metrics
from evaluation.cache import Cache, Key, digest, source_digest
from evaluation.references import REFERENCES, Reference

if TYPE_CHECKING:
    from deepsic.codec import Codec

Row = dict[str, Any]
# What all names of our curves begin with.
OURS = "DeepSIC"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture to measure on.

    Attributes:
      name: in the tables.
      path: of its file.
      digest: of its pixels.
      height, width: pixels.
    """

    name: str
    path: str
    digest: str
    height: int
    width: int

    def read(self) -> np.ndarray:
        """uint8 (H, W, 3); raises images.BadImage, also if it is no longer the same."""
        x = images.read_image(self.path, warn=lambda sentence: None)
        if digest(x) != self.digest:
            raise images.BadImage(f"{self.path} was changed while it was measured.")
        return x


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a picture is sent through: a model, or a reference codec.

    Attributes:
      curve: that its points belong to, such as `DeepSIC`, `DeepSIC pre` or `JPEG 2000`.
      name: of the model or codec.
      folder: of the model; "" for a reference.
      settings: of its points: a model's one point, a reference's many.
      effort: of a model's encoder (`deepsic.effort`).
    """

    curve: str
    name: str
    folder: str
    settings: tuple[str, ...]
    effort: int = DEFAULT_EFFORT

    @classmethod
    def of_model(
        cls, folder: folders.Folder, name: str, curve: str = "", effort: int = DEFAULT_EFFORT
    ) -> Subject:
        setting = folder.identity
        if effort != DEFAULT_EFFORT:
            setting += f" effort={effort}"
        curve = curve or f"{OURS} {folder.config.arch}"
        return cls(curve, name, folder.reference, (setting,), effort)

    @classmethod
    def of_reference(cls, reference: Reference) -> Subject:
        settings = tuple(reference.setting(v) for v in reference.values)
        return cls(reference.name, reference.name, "", settings)


def reference_of(subject: Subject) -> Reference:
    """The reference codec that a subject is."""
    return next(r for r in REFERENCES if r.name == subject.name)


def key_of(subject: Subject, setting: str, picture: Picture) -> Key:
    """All that decides one row."""
    common = {"what": "rate-distortion", "picture": picture.digest, "setting": setting}
    if subject.folder:
        return common | model_key(subject.folder)
    reference = reference_of(subject)
    return common | {
        "codec": [reference.format, reference.options, reference.version],
        "pillow": version("pillow"),
        "code": source_digest("evaluation/metrics.py", "evaluation/references.py", HERE),
    }


HERE = "evaluation/measure.py"


@functools.cache
def model_key(folder: str) -> dict[str, Any]:
    """All of a model, and of the code that runs it, that decides its results."""
    opened = store.find(folder)
    return {
        "model": opened.checksums,
        "fingerprint": opened.identity,
        "litert": version("ai-edge-litert"),
        "machine": platform.machine(),
        "code": source_digest("deepsic", "evaluation/metrics.py", HERE),
    }


@dataclasses.dataclass(frozen=True)
class PictureTask:
    """Points to measure of one subject on one picture."""

    picture: Picture
    subject: Subject
    settings: tuple[str, ...]
    cache: str
    jobs: int


def work(task: PictureTask) -> list[str]:
    """Measures the points of a task into the cache; returns what went wrong, a sentence each."""
    try:
        x, meter = _open(task.picture)
    except images.BadImage as error:
        return [str(error)]
    cache = Cache(pathlib.Path(task.cache))
    troubles = []
    for setting in task.settings:
        try:
            row = _measure(task.subject, setting, x, meter)
        # What codecs raise on pictures they cannot take, such as too large ones.
        except (ValueError, OSError, RuntimeError, ModelError) as error:
            name = f"{task.subject.name} {setting}"
            troubles.append(f"{task.picture.name} does not go through {name}: {error}")
            continue
        row["jobs"] = task.jobs
        cache.put(key_of(task.subject, setting, task.picture), row)
    return troubles


@functools.lru_cache(2)
def _open(picture: Picture) -> tuple[np.ndarray, metrics.Meter]:
    x = picture.read()
    return x, metrics.Meter(x)


@functools.cache
def codec_of(folder: str) -> Codec:
    """A model, loaded once in a process and warm, so that no timing counts its compilation."""
    from deepsic.codec import Codec

    codec = Codec(store.find(folder), runtime="litert")
    codec.decompress(codec.compress(np.zeros((64, 64, 3), np.uint8)))
    return codec


def _measure(subject: Subject, setting: str, x: np.ndarray, meter: metrics.Meter) -> Row:
    if subject.folder:
        codec = codec_of(subject.folder)
        start = time.perf_counter()
        data: bytes = codec.compress(x, effort=subject.effort)
        middle = time.perf_counter()
        x_hat, label = codec.decompress(data)
        end = time.perf_counter()
        name, probability = label.name, label.probability
    else:
        reference = reference_of(subject)
        value = reference.values[subject.settings.index(setting)]
        start = time.perf_counter()
        data = reference.encode(x, value)
        middle = time.perf_counter()
        x_hat = reference.decode(data)
        end = time.perf_counter()
        name, probability = "", math.nan
    return {
        "bytes": len(data),
        "bpp": 8 * len(data) / (x.shape[0] * x.shape[1]),
        **meter.measure(x_hat),
        "encode_s": middle - start,
        "decode_s": end - middle,
        "label": name,
        "probability": probability,
    }
