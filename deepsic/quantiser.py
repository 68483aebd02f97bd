"""The quantiser of section III-B (eq. 1) and its inverse, on arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from deepsic.config import nearest_rates

if TYPE_CHECKING:
    from deepsic.config import ModelConfig

# Names of the logarithms of gains, (gains, latents), before eq. 1 and behind its inverse.
LOG_GAIN = "features/rate_gains/log_gain"
LOG_INVERSE_GAIN = "reconstruction/rate_gains/log_gain"


def get_gain(log_gain: np.ndarray, index: float) -> np.ndarray:
    """Gains, float32 (latents,), geometric between those of a model's rates.

    Args:
      log_gain: (gains, latents).
      index: of the rate, 0 to gains - 1; it need not be whole. What is beyond goes on as between
        the nearest two.
    """
    low, high, part = nearest_rates(index, len(log_gain))
    share = np.float32(part)
    log_gain = log_gain.astype(np.float32)
    return np.exp((1 - share) * log_gain[low] + share * log_gain[high])


@dataclasses.dataclass(frozen=True)
class Quantiser:
    """Features in (-1, 1) to symbols q = ceil(2**(B-1) f), and back to the middle of the bin.

    A model of several rates has gains: its features, of any size, get a factor for each channel,
    are bounded and then quantised; dequantised ones get another, and zero is symbol 0.

    Attributes:
      bits: B of eq. 1, 1 to 8.
      gain, inverse_gain: float32 (latents,), of one step of such a model; else None.
    """

    bits: int
    gain: np.ndarray | None = None
    inverse_gain: np.ndarray | None = None

    @classmethod
    def at(cls, step: int, config: ModelConfig, weights: Mapping[str, np.ndarray]) -> Quantiser:
        """The quantiser of a model at one of its steps.

        Raises:
          ValueError: if the model has no such step, or its gains are of no use.
        """
        index = config.get_rate_index(step)
        if not config.gains:
            return cls(config.bits)
        gains = []
        for name in (LOG_GAIN, LOG_INVERSE_GAIN):
            log_gain = weights.get(name)
            if log_gain is None or log_gain.shape != (config.gains, config.latents):
                raise ValueError(f"the model has no usable weights {name}")
            if not (np.abs(log_gain) < 20).all():
                raise ValueError(f"the weights {name} are out of range")
            gains.append(get_gain(log_gain, index))
        return cls(config.bits, *gains)

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

    def to_steps(self, f: np.ndarray) -> np.ndarray:
        """y = 2**(B-1) f, float32, behind the gains and the bound where there are gains."""
        half = np.float32(self.half)
        if self.gain is None:
            return f * half
        z = f * self.gain
        z -= np.float32(0.5) / half
        return _bound(z, (half - np.float32(0.25)))

    def quantise(self, f: np.ndarray) -> np.ndarray:
        """Eq. 1: symbols, `dtype`, of features, float32, any shape; what is beyond is clipped."""
        y = self.to_steps(f)
        np.ceil(y, out=y)
        return np.clip(y, self.lowest, self.half, out=y).astype(self.dtype)

    def dequantise(self, q: np.ndarray) -> np.ndarray:
        """Q⁻¹: the middle of the bin (q - 1, q], float32, as a feature."""
        half = np.float32(self.half)
        if self.inverse_gain is None:
            return (q - np.float32(0.5)) / half
        return q * (self.inverse_gain / half)


def _bound(z: np.ndarray, limit: np.float32) -> np.ndarray:
    """limit·z / (1 + z⁴)^¼, as `models.quantiser.bound` has it; z is overwritten."""
    np.clip(z, -1e4, 1e4, out=z)
    power = np.square(z)
    np.square(power, out=power)
    power += 1
    np.sqrt(np.sqrt(power, out=power), out=power)
    z *= limit
    z /= power
    return z
