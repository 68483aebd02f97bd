"""Quality of a decoded picture: PSNR and MS-SSIM, of RGB and of luma (section IV-A)."""

from __future__ import annotations

import math

import numpy as np

# MS-SSIM halves the picture four times and then needs 11 pixels.
MS_SSIM_LEAST_SIDE = 161


def luma(x: np.ndarray) -> np.ndarray:
    """BT.601 full-range luma as Pillow's YCbCr has it, uint8 (H, W), of uint8 RGB."""
    from PIL import Image

    return np.asarray(Image.fromarray(x).convert("YCbCr"))[..., 0]


def psnr(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of uint8 arrays of one shape; inf if equal."""
    error = np.mean(np.square(x.astype(np.float64) - x_hat.astype(np.float64)))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ms_ssim(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Multi-scale structural similarity of uint8 (H, W) or (H, W, 3); nan if a side is short."""
    import tensorflow as tf

    if min(x.shape[:2]) < MS_SSIM_LEAST_SIDE:
        return math.nan
    a, b = (tf.constant(v.reshape(1, *v.shape[:2], -1)) for v in (x, x_hat))
    return float(tf.image.ssim_multiscale(a, b, 255)[0])


def measure(x: np.ndarray, x_hat: np.ndarray) -> dict[str, float]:
    """All four figures of one picture, uint8 (H, W, 3)."""
    y, y_hat = luma(x), luma(x_hat)
    return {
        "psnr_rgb": psnr(x, x_hat),
        "psnr_luma": psnr(y, y_hat),
        "ms_ssim_rgb": ms_ssim(x, x_hat),
        "ms_ssim_luma": ms_ssim(y, y_hat),
    }
