"""`.dsic` files in Pillow: `Image.open("a.dsic")` and `image.save("b.dsic", bpp=0.5)`.

Pillow keeps its formats in registries of `PIL.Image`. That module takes as long to import as a
label to read, so it is left to whoever wants pictures: the format is registered at once where
Pillow is there already, and otherwise when it comes.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

FORMAT = "DSIC"
EXTENSION = ".dsic"
MIME = "image/x-dsic"
_MODULE = "PIL.Image"


def register() -> None:
    """Makes the format known to Pillow, now or when it is imported."""
    loaded = sys.modules.get(_MODULE)
    if loaded is not None and hasattr(loaded, "register_open"):
        _register(loaded)
    elif not any(isinstance(finder, _WhenImported) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenImported())


class _WhenImported:
    """Finds `PIL.Image` as others would, and registers the format right behind its import."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _register(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _register(image: Any) -> None:
    image.register_open(FORMAT, _open, _accept)
    image.register_save(FORMAT, _save)
    image.register_extension(FORMAT, EXTENSION)
    image.register_mime(FORMAT, MIME)


def _accept(prefix: bytes) -> bool:
    from deepsic.container import MAGIC

    return prefix[: len(MAGIC)] == MAGIC


def _open(handle: IO[bytes], filename: str | bytes = "") -> Any:
    return _plugin()(handle, filename)


@functools.cache
def _plugin() -> type:
    """Pillow's kind of an opened file; a class of its own, so made when Pillow is there."""
    from PIL import Image, ImageFile

    from deepsic.dsicfile import DsicFile
    from deepsic.errors import DeepsicError
    from deepsic.registry import Registry

    models = Registry()

    class DsicImageFile(ImageFile.ImageFile):
        """`info["label"]` is what the file says that it shows; None for `post` files."""

        format = FORMAT
        format_description = "DeepSIC"

        def _open(self) -> None:
            assert self.fp is not None
            try:
                self._dsic: DsicFile | None = DsicFile(self.fp, models=models)
            except DeepsicError as error:
                raise SyntaxError(str(error)) from error  # so that Pillow tries other formats
            self._size = self._dsic.size
            try:
                alpha = self._dsic.alpha is not None
            except DeepsicError as error:
                raise SyntaxError(str(error)) from error
            self._mode = ("L" if self._dsic.header.grey else "RGB") + "A" * alpha
            self.tile = []
            self._note_metadata()
            semantics = self._dsic.header.semantics
            self.info["label"] = semantics and str(self._dsic.label)

        def _note_metadata(self) -> None:
            assert self._dsic is not None
            try:
                metadata = self._dsic.metadata
            except DeepsicError as error:
                warnings.warn(str(error), stacklevel=4)
                return
            if metadata.exif:
                self.info["exif"] = b"Exif\0\0" + metadata.exif
            if metadata.xmp:
                self.info["xmp"] = metadata.xmp

        def load(self) -> Any:
            if self._dsic is not None:
                try:
                    pixels = self._dsic.image
                except DeepsicError as error:
                    raise OSError(str(error)) from error
                self.im = Image.fromarray(pixels).convert(self.mode).im
                self._dsic = None
                self._close_fp()
            return super().load()

        def _close_fp(self) -> None:
            if getattr(self, "_exclusive_fp", False) and self.fp:
                self.fp.close()
            self.fp = None

    return DsicImageFile


def _save(image: Any, handle: IO[bytes], filename: str | bytes) -> None:
    """Options of `image.save`: those of `ladder.compress`."""
    from deepsic.ladder import compress
    from deepsic.targets import TARGETS

    options = dict(image.encoderinfo)
    known = [*TARGETS, "model", "arch", "threshold", "topk", "keep_metadata", "effort"]
    handle.write(compress(image, **{k: options[k] for k in known if k in options}))
