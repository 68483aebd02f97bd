"""What follows the payload of a file, in terms of pictures: transparency and metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepsic import container, metadata
from deepsic.container import ALPHA, EXIF, XMP, Section
from deepsic.errors import CorruptFile
from deepsic.metadata import Metadata

if TYPE_CHECKING:
    import numpy as np

    from deepsic.picture import Picture


def make(picture: Picture) -> list[Section]:
    """The sections of a picture, transparency first: whatever is damaged before it is not its own.

    Raises:
      BadFile: if its transparency is too large.
    """
    found = []
    if picture.alpha is not None:
        from deepsic import alpha

        found.append(Section(ALPHA, alpha.encode(picture.alpha)))
    for kind, data in zip((EXIF, XMP), picture.metadata, strict=True):
        if data:
            found.append(Section(kind, metadata.pack(data)))
    return found


def read_alpha(data: bytes) -> np.ndarray | None:
    """The transparency of a whole file, uint8 (H, W); None if all of it is opaque.

    Raises:
      CorruptFile: if it is damaged.
    """
    if not container.has_alpha(data):
        return None
    for section in container.read_sections(data)[0]:
        if section.kind == ALPHA:
            from deepsic import alpha

            header, _ = container.read_header(data)
            return alpha.decode(section.data, header.height, header.width)
    raise CorruptFile("the transparency of the file is damaged or cut off.")


def read_metadata(data: bytes) -> Metadata:
    """EXIF and XMP of a whole file.

    Raises:
      CorruptFile: if they are damaged.
    """
    good, damaged = container.read_sections(data)
    if damaged:
        raise CorruptFile("the metadata of the file are damaged or cut off.")
    found = {
        section.kind: metadata.unpack(section.data) for section in good if section.kind != ALPHA
    }
    return Metadata(found.get(EXIF, b""), found.get(XMP, b""))
