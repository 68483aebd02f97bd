"""DeepSIC: a learned image codec whose files say what their pictures show.

    import deepsic
    codec = deepsic.load("pre-0.5bpp")     # a shipped model or a folder
    data = codec.compress(x)               # uint8 (H, W, 3 or 4), or a PIL image
    f = deepsic.open("a.dsic")             # lazy: f.size, f.label, f.image, f.metadata, …
    y, label = deepsic.decompress(data)    # finds its model by the fingerprint in the data

After `import deepsic` Pillow opens and saves `.dsic` files too. All errors of this package's own
are `DeepsicError`s. Importing it is quick: what is heavy is imported by whoever uses it.
"""

from __future__ import annotations

import functools
import os
from typing import IO, TYPE_CHECKING

from deepsic import pillow
from deepsic.errors import BadFile, CorruptFile, DeepsicError, ModelError
from deepsic.version import __version__

if TYPE_CHECKING:
    import numpy as np

    from deepsic.codec import Codec
    from deepsic.dsicfile import DsicFile
    from deepsic.labels import Label
    from deepsic.registry import Registry


__all__ = [
    "BadFile",
    "CorruptFile",
    "DeepsicError",
    "ModelError",
    "__version__",
    "decompress",
    "load",
    "models",
    "open",
]

pillow.register()


def load(
    model: str | os.PathLike = "pre-0.5bpp", *, arch: str | None = None, runtime: str = "auto"
) -> Codec:
    """A codec with `compress`, `decompress` and `classify`.

    Args:
      model: the name of a shipped model (`models` lists them), or a model's folder.
      arch: `pre` or `post`, for a folder that holds both; `pre` if None.
      runtime: `litert`, `tensorflow`, or `auto`.

    Raises:
      ModelError: if there is no such model, or it is damaged.
      deepsic.runtimes.RuntimeMissing: if the runtime is not installed.
      ValueError: if arch or runtime is of no kind that there is.
    """
    from deepsic import store
    from deepsic.codec import Codec
    from deepsic.manifest import ARCHS

    if arch not in (None, *ARCHS):
        raise ValueError(f"arch is one of {', '.join(ARCHS)}, not {arch!r}.")
    return Codec(store.find(os.fspath(model), arch), runtime=runtime)


def models() -> list[str]:
    """The names of the shipped models."""
    from deepsic import store

    return [folder.name for folder in store.shipped()]


def open(
    source: str | os.PathLike | bytes | IO[bytes],
    *,
    model: str | os.PathLike | None = None,
    max_pixels: int | None = None,
) -> DsicFile:
    """Opens a file; the header is read at once, all else when it is asked for.

    Args:
      source: path of the file, its bytes, or an open binary file.
      model: the file's model, if it is no shipped one: its folder.
      max_pixels: larger pictures are refused; None for 200 million, and for less where the
        file is small.

    Raises:
      CorruptFile: if the file is damaged or promises too much.
      OSError: if it cannot be read.
      ModelError: if there is no model in that folder.
    """
    from deepsic.dsicfile import DsicFile

    return DsicFile(source, max_pixels, _registry(None if model is None else os.fspath(model)))


def decompress(
    data: bytes, *, model: str | os.PathLike | None = None, max_pixels: int | None = None
) -> tuple[np.ndarray, Label]:
    """The picture in the bytes of a file, and what it shows.

    Args:
      data, model, max_pixels: see `open`.

    Returns:
      x_hat, uint8 (H, W, 3), or (H, W, 4) with transparency, and its label.

    Raises:
      TypeError: if data are no bytes.
      CorruptFile: if they are damaged.
      ModelError: if their model is not here.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"pass the bytes of a .dsic file, not {type(data).__name__}.")
    file = open(bytes(data), model=model, max_pixels=max_pixels)
    label = file.label  # first, as it may be damaged
    return file.image, label


@functools.cache
def _registry(model: str | None) -> Registry:
    """One for all callers, so that a model is loaded once."""
    from deepsic.registry import Registry

    return Registry() if model is None else Registry([model], shipped=False)
