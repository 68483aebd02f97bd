"""One chunk of labelled pictures through one model, or past it: answers, sizes, seconds."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from deepsic import container, distortion
from deepsic.labels import THRESHOLD
from evaluation.accuracy import best
from evaluation.cache import Cache, Key, source_digest
from evaluation.measure import codec_of, model_key
from evaluation.references import JPEG

if TYPE_CHECKING:
    from deepsic.codec import Codec
    from evaluation.classifier import ControlClassifier

Record = dict[str, Any]
CODE = (
    "evaluation/accuracy.py",
    "evaluation/classifier.py",
    "evaluation/classify.py",
    "evaluation/metrics.py",
    "models/efficientnet.py",
    "evaluation/references.py",
    "models/torch_file.py",
)
# Pictures whose classification is timed, one by one.
TIMED = 8


@dataclasses.dataclass(frozen=True)
class ChunkTask:
    """A chunk to send through a model, or with folder "" to the classifier as it is.

    Attributes:
      x: the pictures, uint8 (N, H, W, 3) or a list of (H, W, 3).
      digest: of x.
      folder: of the model.
      classes: ImageNet's numbers of the set's classes, for the classifier; () without one.
      cache: folder.
      among: numbers of the set's classes among the model's, in the set's order.
    """

    x: np.ndarray | list[np.ndarray]
    digest: str
    folder: str
    classes: tuple[int, ...]
    cache: str
    among: tuple[int, ...] = ()

    @property
    def key(self) -> Key:
        """All that decides the record."""
        common: dict[str, Any] = {
            "what": "semantics",
            "pictures": self.digest,
            "answers": source_digest(*CODE),
            "numpy": version("numpy"),
            "machine": platform.machine(),
        }
        if self.folder:
            common |= model_key(self.folder) | {"among": list(self.among)}
        if self.classes:
            from evaluation.classifier import SHA256

            common |= {"classifier": SHA256, "classes": list(self.classes)}
            common |= {"jpeg": [JPEG.options, JPEG.version], "pillow": version("pillow")}
        return common


def work(task: ChunkTask) -> None:
    """Measures a chunk into the cache."""
    record = _original(task) if not task.folder else _through(codec_of(task.folder), task)
    Cache(pathlib.Path(task.cache)).put(task.key, record)


@functools.cache
def _classifier() -> ControlClassifier:
    from evaluation import classifier

    return classifier.load()


def _answers(x: Sequence[np.ndarray] | np.ndarray, classes: tuple[int, ...]) -> Record:
    """The classifier's five best: of all its classes, and of the set's (numbered as there)."""
    logits = np.concatenate([_classifier().logits(one[None]).numpy() for one in x])
    return {"all": best(logits).tolist(), "some": best(logits[:, list(classes)]).tolist()}


def _original(task: ChunkTask) -> Record:
    answers = _answers(task.x, task.classes)
    one = _classifier().logits
    one(task.x[0][None])  # compiles
    _, classify_s = _timed(lambda x: one(x[None]).numpy(), task.x[:TIMED])
    return {"answers": answers, "classify_s": classify_s}


def _through(codec: Codec, task: ChunkTask) -> Record:
    """A chunk compressed to files and back, and classified from both kinds of features."""
    codec.decompress(codec.compress(task.x[0]))  # the first call compiles and does not count
    files, compress_s = _timed(codec.compress, task.x)
    decompressed, decompress_s = _timed(codec.decompress, files)
    decoded = [x_hat for x_hat, _ in decompressed]
    features = [codec.features(x) for x in task.x]
    restored = [codec.restore(codec.symbols(f)) for f in features]
    record = {
        "bytes": [len(data) for data in files],
        "label_bytes": [_label_bytes(data) for data in files],
        "psnr_rgb": [distortion.psnr(x, y) for x, y in zip(task.x, decoded, strict=True)],
        **_head(codec, "float", features, task.among),
        **_head(codec, "dequantised", restored, task.among),
        "compress_s": compress_s,
        "decompress_s": decompress_s,
        "label_s": _timed(lambda data: read_label(codec, data), files)[1],
    }
    if task.classes:
        jpegs = [
            JPEG.nearest_rate(x, 8 * len(data) / (x.shape[0] * x.shape[1]))[1]
            for x, data in zip(task.x, files, strict=True)
        ]
        others = [JPEG.decode(data) for data in jpegs]
        record["decoded"] = _answers(decoded, task.classes)
        record["jpeg"] = _answers(others, task.classes)
        record["jpeg_bytes"] = [len(data) for data in jpegs]
        record["jpeg_psnr_rgb"] = [
            distortion.psnr(x, y) for x, y in zip(task.x, others, strict=True)
        ]
    return record


def _head(codec: Codec, name: str, maps: Sequence[np.ndarray], among: tuple[int, ...]) -> Record:
    """What a head says of features: its five best, of all and of the set's classes, and labels."""
    found = np.stack([codec.classify(f) for f in maps])
    record = {name: best(found).tolist(), f"{name}_some": best(found[:, list(among)]).tolist()}
    if codec.labels.imagenet is not None:
        tree = codec.labels.taxonomy
        labels = [tree.summarise(p, codec.labels.imagenet, THRESHOLD) for p in found.tolist()]
        record[f"{name}_labels"] = [(d.node, d.probability) for d in labels]
        record[f"{name}_confidence"] = found.max(axis=1).tolist()
    return record


def read_label(codec: Codec, data: bytes):
    """What a file shows, as fast as it can be known: without the picture."""
    header, _ = container.read_header(data)
    if header.semantics is not None:
        return codec.get_label(header)
    header, payload = container.unpack(data)
    return codec.get_label(header, codec.decode_symbols(header, payload))


def _label_bytes(data: bytes) -> int:
    """By how much a file is longer for its label."""
    header, payload = container.unpack(data)
    return len(data) - len(container.pack(dataclasses.replace(header, semantics=None), payload))


def _timed(call: Callable[[Any], Any], items: Iterable[Any]) -> tuple[list[Any], float]:
    """Results of a call on every item, and the median of the seconds that one took."""
    results, taken = [], []
    for item in items:
        start = time.perf_counter()
        results.append(call(item))
        taken.append(time.perf_counter() - start)
    return results, statistics.median(taken)
