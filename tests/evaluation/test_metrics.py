"""Figures of merit against values worked by hand, scikit-image and TensorFlow."""

import math

import numpy as np
import pytest
import tensorflow as tf
from skimage import metrics as skimage_metrics

from data.samples import sample_images
from deepsic.distortion import psnr
from evaluation import metrics


@pytest.fixture(scope="module")
def pair():
    """A photograph and a damaged copy, uint8 (203, 231, 3): odd sides at several scales."""
    x = sample_images()["chelsea"][:203, :231]
    rng = np.random.default_rng(0)
    blurred = (x.astype(int) + np.roll(x, 1, 0) + np.roll(x, 1, 1)) // 3
    return x, np.clip(blurred + rng.normal(0, 6, x.shape), 0, 255).astype(np.uint8)


def test_psnr_by_hand():
    x = np.full((4, 4, 3), 100, np.uint8)
    off = x.copy()
    off[0, 0, 0] = 112  # 144 / 48 = 3
    assert psnr(x, off) == pytest.approx(10 * math.log10(255**2 / 3))
    assert psnr(x, x) == math.inf


def test_psnr_as_scikit_image(pair):
    assert psnr(*pair) == pytest.approx(skimage_metrics.peak_signal_noise_ratio(*pair))


def test_luma_is_bt_601_full_range():
    x = np.array([[[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    weights = [255, 0.299 * 255, 0.587 * 255, 0.114 * 255]
    # Pillow rounds down in places.
    assert np.abs(metrics.luma(x)[0] - weights).max() < 1


def test_one_scale_as_scikit_image(pair):
    x, x_hat = (metrics.luma(v).astype(np.float32) for v in pair)
    level = metrics._Scale.of(x[None])
    whole, _ = metrics.similarity(level, x_hat[None])
    expected = skimage_metrics.structural_similarity(
        x.astype(np.float64),
        x_hat.astype(np.float64),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert whole[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("size", [(161, 161), (203, 231), (170, 224)])
def test_ms_ssim_as_tensorflow(pair, size):
    x, x_hat = (v[: size[0], : size[1]] for v in pair)
    assert metrics.ms_ssim(x, x_hat) == pytest.approx(
        float(tf.image.ssim_multiscale(x, x_hat, 255)), abs=1e-4
    )
    y, y_hat = metrics.luma(x), metrics.luma(x_hat)
    expected = float(tf.image.ssim_multiscale(y[..., None], y_hat[..., None], 255))
    assert metrics.ms_ssim(y, y_hat) == pytest.approx(expected, abs=1e-4)


def test_a_meter_gives_all_four(pair):
    x, x_hat = pair
    found = metrics.Meter(x).measure(x_hat)
    assert tuple(found) == metrics.METRICS
    assert found["ms_ssim_rgb"] == pytest.approx(metrics.ms_ssim(x, x_hat))
    assert found["ms_ssim_luma"] == pytest.approx(
        metrics.ms_ssim(metrics.luma(x), metrics.luma(x_hat))
    )
    assert found["psnr_luma"] == psnr(metrics.luma(x), metrics.luma(x_hat))


def test_equal_pictures_are_similar_to_the_end(pair):
    assert metrics.ms_ssim(pair[0], pair[0]) == pytest.approx(1)


def test_small_pictures_have_no_ms_ssim(pair):
    x, x_hat = (v[:160] for v in pair)
    found = metrics.measure(x, x_hat)
    assert math.isnan(found["ms_ssim_rgb"])
    assert math.isnan(found["ms_ssim_luma"])
    assert math.isfinite(found["psnr_rgb"])


def test_decibels_by_hand():
    assert metrics.decibels(0.9) == pytest.approx(10)
    assert metrics.decibels(0.99) == pytest.approx(20)
    assert metrics.decibels(1.0) == math.inf


def test_halving_repeats_an_odd_edge():
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    assert metrics.halve(x).tolist() == [[[2.0, 3.5]]]
