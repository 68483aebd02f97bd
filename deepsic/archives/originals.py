"""Pictures whose bytes are at hand, such as those of an object store."""

from __future__ import annotations

import os
import tempfile

import numpy as np

from deepsic.errors import BadFile
from deepsic.images import read_image


def read_bytes(data: bytes, max_pixels: int | None) -> np.ndarray:
    """`images.read_image` of a file's bytes; errors speak of "the file"."""
    handle, path = tempfile.mkstemp(prefix="deepsic-")
    try:
        with open(handle, "wb") as file:
            file.write(data)
        return read_image(path, max_pixels, lambda sentence: None)
    except BadFile as error:
        error.args = (str(error).replace(path, "the file"), *error.args[1:])
        raise
    finally:
        os.unlink(path)
