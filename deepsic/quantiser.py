"""The quantiser of section III-B (eq. 1) and its inverse, on arrays."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Quantiser:
    """Features in (-1, 1) to symbols q = ceil(2**(B-1) f), and back to the middle of the bin.

    Attributes:
      bits: B of eq. 1, 1 to 8.
    """

    bits: int

    @property
    def half(self) -> int:
        """Steps in a feature of size 1; also the largest symbol."""
        return 1 << (self.bits - 1)

    @property
    def lowest(self) -> int:
        """The smallest symbol: -31 for B = 6."""
        return 1 - self.half

    @property
    def dtype(self) -> type[np.signedinteger]:
        """The smallest one that holds all symbols."""
        return np.int8 if self.bits < 8 else np.int16

    def quantise(self, f: np.ndarray) -> np.ndarray:
        """Eq. 1: symbols, `dtype`, of features, float32, any shape; what is beyond is clipped."""
        y = np.ceil(f * np.float32(self.half))
        return np.clip(y, self.lowest, self.half, out=y).astype(self.dtype)

    def dequantise(self, q: np.ndarray) -> np.ndarray:
        """Q⁻¹: the middle of the bin (q - 1, q], float32, as a feature."""
        return (q - np.float32(0.5)) / np.float32(self.half)
