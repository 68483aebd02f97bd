"""Pictures for the page: decoded on demand by a few threads, kept within bounds."""

from __future__ import annotations

import asyncio
import collections
import io
import os
from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING

from deepsic.coding.parallel import processors
from deepsic.dsicfile import DsicFile
from deepsic.errors import ModelError
from deepsic.picture import Picture
from deepsic.registry import Registry

if TYPE_CHECKING:
    import numpy as np

# Of what has been made, bytes.
CACHE_BYTES = 64 << 20
# Short side of a coarse thumbnail at least, and longer side of a fine one at most, pixels.
COARSE, FINE = 48, 448
# Thumbnails of larger pictures are made without the reconstruction network, where they can be.
RECONSTRUCTED = 1 << 20


Wanted = Callable[[], Awaitable[bool]]


class _Unwanted(Exception):
    """Nobody waits for it any more."""


class Cache:
    """Results by key, made once at a time each; the oldest are forgotten.

    Args:
      limit: of all that is kept, bytes.
      workers: how many are made at once, besides one of those that others go before.
    """

    def __init__(self, limit: int = CACHE_BYTES, workers: int | None = None) -> None:
        self._limit, self._held = limit, 0
        self._kept: collections.OrderedDict[Hashable, bytes] = collections.OrderedDict()
        self._made: dict[Hashable, asyncio.Future[bytes]] = {}
        self._workers = asyncio.Semaphore(workers or processors())
        self._late = asyncio.Semaphore(1)

    async def get(
        self,
        key: Hashable,
        make: Callable[[], bytes],
        wanted: Wanted | None = None,
        late: bool = False,
    ) -> bytes:
        """A result, made in a thread if it is not at hand; raises what `make` raises.

        Args:
          key: of the result.
          make: gives it.
          wanted: asked when its turn comes; if the answer is no, nothing is made.
          late: whether others may go first.
        """
        while True:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            if key not in self._made:
                self._made[key] = asyncio.ensure_future(self._make(key, make, wanted, late))
            try:
                return await asyncio.shield(self._made[key])
            except _Unwanted:
                if wanted is not None and not await wanted():
                    return b""

    async def _make(
        self, key: Hashable, make: Callable[[], bytes], wanted: Wanted | None, late: bool
    ) -> bytes:
        try:
            async with self._late if late else self._workers:
                if wanted is not None and not await wanted():
                    raise _Unwanted
                data = await asyncio.to_thread(make)
        finally:
            del self._made[key]
        self.put(key, data)
        return data

    def put(self, key: Hashable, data: bytes) -> None:
        """Keeps a result, for as long as there is room."""
        self._held += len(data) - len(self._kept.pop(key, b""))
        self._kept[key] = data
        while self._held > self._limit and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._held -= len(old)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept


def open_file(source: str | bytes, models: Registry, max_pixels: int) -> DsicFile:
    """A file of the archive; raises CorruptFile or OSError."""
    return DsicFile(source, max_pixels, models)


def thumbnail(file: DsicFile, coarse: bool) -> bytes:
    """A small picture as JPEG.

    Args:
      file: whose it is.
      coarse: whether it is to be quick; only then is it never reconstructed, if that can be.

    Raises:
      CorruptFile, ModelError: if it cannot be decoded.
    """
    width, height = file.size
    small = _from_features(file, COARSE if coarse else FINE // 2)
    if small is None or (not coarse and width * height <= RECONSTRUCTED):
        small = Picture(file.rgb, file.alpha).without_alpha("white").rgb
    return _encode(small, "JPEG", FINE, quality=85)


def _from_features(file: DsicFile, least: int) -> np.ndarray | None:
    try:
        return file.get_thumbnail(least)
    except ModelError:
        _ = file.codec  # raises if it is the model that is missing
        return None


def whole(x: np.ndarray) -> bytes:
    """A picture, uint8 (H, W, 3 or 4), as PNG."""
    return _encode(x, "PNG", None, compress_level=1)


def _encode(x: np.ndarray, kind: str, longest: int | None, **options: int) -> bytes:
    from PIL import Image

    picture, out = Image.fromarray(x), io.BytesIO()
    if longest:
        picture.thumbnail((longest, longest))
    picture.save(out, kind, **options)
    return out.getvalue()


def read_original(path: str | os.PathLike, max_pixels: int) -> bytes:
    """A picture that was coded, as PNG and as people see it; raises BadFile."""
    from deepsic.images import read_picture

    return whole(read_picture(path, max_pixels, lambda sentence: None, False).pixels)
