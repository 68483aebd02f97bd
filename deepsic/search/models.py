"""The models whose files an archive may hold, by the fingerprints that files carry."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from deepsic.labels import Labels

if TYPE_CHECKING:
    from deepsic.codec import Codec
    from deepsic.store import Folder


class Models:
    """Shipped models and some folders; each is read when it is first needed.

    Args:
      names: of further models, or their folders.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = names
        self._made: dict[tuple[str, bytes], Any] = {}

    @functools.cached_property
    def folders(self) -> list[Folder]:
        """All models' folders; raises ModelError if one is not there."""
        from deepsic import store

        return [*map(store.find, self._names), *store.shipped()]

    def _once(self, what: str, fingerprint: bytes, make: Callable[[], Any]) -> Any:
        key = what, fingerprint
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def folder(self, fingerprint: bytes) -> Folder:
        """The folder of a model; raises ModelError if it is not here."""
        from deepsic.errors import ModelError

        for folder in self.folders:
            if fingerprint in folder.fingerprints:
                return folder
        raise ModelError(
            f"its model {fingerprint.hex()} is not here; name its folder with --models=DIR."
        )

    def labels(self, fingerprint: bytes) -> Labels:
        """The classes of a model, without TensorFlow; raises ModelError."""
        return self._once("labels", fingerprint, lambda: self.folder(fingerprint).labels)

    def codec(self, fingerprint: bytes) -> Codec:
        """A model with its networks, which takes TensorFlow; raises ModelError."""
        from deepsic.codec import Codec

        return self._once(
            "codec", fingerprint, lambda: Codec(self.folder(fingerprint), fingerprint)
        )
