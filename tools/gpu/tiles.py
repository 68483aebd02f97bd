"""Packed pictures, as `tools.gpu.exchange` writes them."""

from __future__ import annotations

import concurrent.futures
import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image


def load_tiles(paths: Sequence[str], device: str) -> torch.Tensor:
    """The pictures of some files, uint8 (tiles, side, side, 3)."""
    blobs: list[np.ndarray] = []
    for path in paths:
        with np.load(path) as file:
            blobs += np.split(file["data"], np.cumsum(file["sizes"])[:-1])

    def decode(blob):
        return np.asarray(Image.open(io.BytesIO(blob.tobytes())).convert("RGB"))

    with concurrent.futures.ThreadPoolExecutor() as pool:
        return torch.tensor(np.stack(list(pool.map(decode, blobs))), device=device)
