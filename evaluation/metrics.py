"""Quality of a decoded picture: PSNR and MS-SSIM, of RGB and of luma (section IV-A).

MS-SSIM is Wang's (2003) as `tf.image.ssim_multiscale` computes it: an 11×11
Gaussian window of σ = 1.5, no padding, five scales, means over 2×2 pixels
between them, the mean over channels last. Here the window is applied as two
passes of one row and one column, and what depends on the original alone is
computed once for all its decodings.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from deepsic.distortion import psnr

# MS-SSIM halves the picture four times and then needs 11 pixels.
MS_SSIM_LEAST_SIDE = 161
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = 11
SIGMA = 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

METRICS = ("psnr_rgb", "psnr_luma", "ms_ssim_rgb", "ms_ssim_luma")


def luma(x: np.ndarray) -> np.ndarray:
    """BT.601 full-range luma as Pillow's YCbCr has it, uint8 (H, W), of uint8 RGB."""
    from PIL import Image

    return np.asarray(Image.fromarray(x).convert("YCbCr"))[..., 0]


def ms_ssim(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Multi-scale structural similarity of uint8 (H, W) or (H, W, 3); nan if a side is short."""
    if min(x.shape[:2]) < MS_SSIM_LEAST_SIDE:
        return math.nan
    levels = pyramid(_planes(x))
    return float(_ms_ssim([_Scale.of(a) for a in levels], _planes(x_hat)).mean())


def decibels(similarity: float) -> float:
    """MS-SSIM on a scale that shows differences near 1: -10·log10(1 - MS-SSIM)."""
    return math.inf if similarity >= 1 else -10 * math.log10(1 - similarity)


class Meter:
    """Measures decodings of one picture.

    Args:
      x: the original, uint8 (H, W, 3).
    """

    def __init__(self, x: np.ndarray) -> None:
        self.x = x
        self.y = luma(x)
        self.levels: list[_Scale] = []
        if min(self.y.shape) >= MS_SSIM_LEAST_SIDE:
            self.levels = [_Scale.of(a) for a in pyramid(_planes(x, self.y))]

    def measure(self, x_hat: np.ndarray) -> dict[str, float]:
        """All four figures of a decoding, uint8 (H, W, 3); MS-SSIM nan if a side is short."""
        y_hat = luma(x_hat)
        ms_ssim_rgb = ms_ssim_luma = math.nan
        if self.levels:
            similarities = _ms_ssim(self.levels, _planes(x_hat, y_hat))
            ms_ssim_rgb, ms_ssim_luma = float(similarities[:3].mean()), float(similarities[3])
        return {
            "psnr_rgb": psnr(self.x, x_hat),
            "psnr_luma": psnr(self.y, y_hat),
            "ms_ssim_rgb": ms_ssim_rgb,
            "ms_ssim_luma": ms_ssim_luma,
        }


def measure(x: np.ndarray, x_hat: np.ndarray) -> dict[str, float]:
    """All four figures of one picture, uint8 (H, W, 3)."""
    return Meter(x).measure(x_hat)


class _Scale(NamedTuple):
    """One scale of an original, (planes, H, W), and its windowed moments."""

    x: np.ndarray
    mean: np.ndarray
    square: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> _Scale:
        return cls(x, blur(x), blur(x * x))


def _planes(*pictures: np.ndarray) -> np.ndarray:
    """uint8 (H, W) or (H, W, C) to float32 (planes, H, W)."""
    stacked = [p if p.ndim == 3 else p[..., None] for p in pictures]
    return np.ascontiguousarray(np.concatenate(stacked, axis=-1).transpose(2, 0, 1), np.float32)


def blur(x: np.ndarray) -> np.ndarray:
    """Means under the Gaussian window, (planes, H - 10, W - 10), of (planes, H, W)."""
    reach = WINDOW // 2
    taps = np.exp(-np.square(np.arange(reach + 1) - reach) / (2 * SIGMA**2))
    taps = (taps / (2 * taps.sum() - 1)).astype(np.float32)
    for axis in (1, 2):
        v = x.swapaxes(1, axis)
        size = v.shape[1] - 2 * reach
        y = v[:, reach : reach + size] * taps[reach]
        for i in range(reach):
            y += (v[:, i : i + size] + v[:, 2 * reach - i : 2 * reach - i + size]) * taps[i]
        x = y.swapaxes(1, axis)
    return x


def halve(x: np.ndarray) -> np.ndarray:
    """Means over 2×2 pixels; an odd last row or column counts twice."""
    odd = [(0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2)]
    if x.shape[1] % 2 or x.shape[2] % 2:
        x = np.pad(x, odd, mode="edge")
    rows = x[:, ::2] + x[:, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]) * np.float32(0.25)


def pyramid(x: np.ndarray) -> list[np.ndarray]:
    """The scales of (planes, H, W), the finest first."""
    scales = [x]
    while len(scales) < len(WEIGHTS):
        scales.append(halve(scales[-1]))
    return scales


def similarity(level: _Scale, x_hat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SSIM and its contrast-structure part at one scale, means over positions, (planes,)."""
    mean = blur(x_hat)
    product = level.mean * mean
    squares = np.square(level.mean) + np.square(mean)
    covariance = blur(level.x * x_hat) - product
    variances = level.square + blur(x_hat * x_hat) - squares
    structure = (2 * covariance + C2) / (variances + C2)
    whole = structure * (2 * product + C1) / (squares + C1)
    return tuple(v.mean(axis=(1, 2), dtype=np.float64) for v in (whole, structure))  # type: ignore


def _ms_ssim(levels: list[_Scale], x_hat: np.ndarray) -> np.ndarray:
    """MS-SSIM of each plane, (planes,); negative similarities count as none."""
    result = np.ones(len(x_hat))
    pairs = zip(levels, pyramid(x_hat), WEIGHTS, strict=True)
    for scale, (level, decoded, weight) in enumerate(pairs):
        whole, structure = similarity(level, decoded)
        last = scale == len(WEIGHTS) - 1
        result *= np.maximum(whole if last else structure, 0) ** weight
    return result
