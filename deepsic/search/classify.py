"""What `post` files show: their symbols decoded, then classified in batches of equal size."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from deepsic import container, limits
from deepsic.container import Semantics
from deepsic.errors import CorruptFile, ModelError
from deepsic.registry import Registry
from deepsic.search.scan import Failed, Found

if TYPE_CHECKING:
    from deepsic.codec import Codec

# Of a batch: files, and values of their features together (64 MB).
MOST_FILES = 32
MOST_VALUES = 1 << 24

Answer = tuple[Found, Semantics]


def _kind(file: Found) -> tuple[bytes, int, int, int]:
    """Files that are equal in this are classified together."""
    header = file.header
    return header.fingerprint, header.step, header.height, header.width


def classify(
    files: Iterable[Found], models: Registry, max_pixels: int | None
) -> Iterator[tuple[list[Answer], list[Failed]]]:
    """Asks the heads of `post` models, a batch at a time.

    Args:
      files: in any order.
      models: to look for theirs in.
      max_pixels: larger pictures are refused.

    Yields:
      What some files show, and those of them that could not be read.
    """
    for _, same in itertools.groupby(sorted(files, key=_kind), key=_kind):
        good, failed = [], []
        for file in same:
            try:
                limits.check(file.header, file.size, max_pixels)
                good.append(file)
            except CorruptFile as error:
                failed.append(Failed.because(file.path, error))
        if failed:
            yield [], failed
        if good:
            yield from _classify_equal(good, models, max_pixels)


def _classify_equal(files: list[Found], models: Registry, max_pixels: int | None):
    header = files[0].header
    try:
        codec = models.codec(header)
    except ModelError as error:
        yield [], [Failed.because(f.path, error) for f in files]
        return
    stride = codec.config.stride
    values = header.width * header.height // stride**2 * codec.config.latents
    count = max(1, min(MOST_FILES, MOST_VALUES // max(1, values)))
    for at in range(0, len(files), count):
        yield _classify_batch(files[at : at + count], codec, max_pixels)


def _classify_batch(
    files: list[Found], codec: Codec, max_pixels: int | None
) -> tuple[list[Answer], list[Failed]]:
    good, symbols, failed = [], [], []
    for file in files:
        try:
            header, payload = container.unpack(limits.read_file(file.path, max_pixels))
            if _kind(file._replace(header=header)) != _kind(file):
                raise CorruptFile("the file changed while it was read.")
            symbols.append(codec.decode_symbols(header, payload))
            good.append(file)
        except (CorruptFile, OSError) as error:
            failed.append(Failed.because(file.path, error))
    if not good:
        return [], failed
    probabilities = codec.classify_symbols(np.stack(symbols))
    return [(f, codec.get_semantics(p)) for f, p in zip(good, probabilities, strict=True)], failed
