"""The models that are at hand, by the fingerprints that files carry; each is loaded once."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from deepsic.errors import UnknownModel

if TYPE_CHECKING:
    from deepsic.codec import Codec
    from deepsic.container import Header
    from deepsic.folders import Folder
    from deepsic.labels import Labels


class Registry:
    """Shipped models and some folders.

    Args:
      names: of further models, or their folders.
      shipped: whether shipped models are looked at too, and those that shipped before.
      runtime: of the codecs, see `deepsic.codec.Codec`.
      advice: what to do where a model is not here, for the end of a sentence.
    """

    def __init__(
        self,
        names: Sequence[str | pathlib.Path] = (),
        shipped: bool = True,
        runtime: str = "auto",
        advice: str = "",
    ) -> None:
        self._names, self._shipped, self._runtime = names, shipped, runtime
        self._advice = f"; {advice}" if advice else ""
        self._made: dict[tuple[str, ...], Any] = {}

    @functools.cached_property
    def folders(self) -> list[Folder]:
        """All models' folders; raises ModelError if one is not there."""
        from deepsic import store  # which takes longer to import than a label to read

        shipped = [*store.shipped(), *store.former()] if self._shipped else []
        return [*map(store.find, self._names), *shipped]

    def folder(self, header: Header) -> Folder:
        """The model of a file, at its step; raises UnknownModel if it is not here."""
        from deepsic import folders

        for folder in self.folders:
            if header.fingerprint in folder.fingerprints and header.arch in folder.archs:
                found = folders.open_folder(folder.path, header.arch)
                return dataclasses.replace(found, step=header.step)
        where = "no model at hand is that one"
        if not self._shipped:
            where = f"{', '.join(map(str, self._names))} is another model"
        raise UnknownModel(
            f"the file needs the {header.arch} model {header.fingerprint.hex()} and {where}"
            f"{self._advice}."
        )

    def labels(self, header: Header) -> Labels:
        """The classes of a file's model, without its networks; raises ModelError."""
        return self._once("labels", header, lambda: self.folder(header).labels)

    def codec(self, header: Header) -> Codec:
        """The model of a file with its networks, at its step; raises ModelError, CorruptFile."""
        from deepsic.codec import Codec

        codec: Codec = self._once(
            "codec", header, lambda: Codec(self._model(header), header.fingerprint, self._runtime)
        )
        return codec.for_file(header)

    def _model(self, header: Header) -> Folder:
        """The model of a file, whatever step the file says: it may be damaged."""
        return dataclasses.replace(self.folder(header), step=0)

    def _once(self, what: str, header: Header, make: Callable[[], Any]) -> Any:
        key = what, header.arch, header.fingerprint.hex()
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
