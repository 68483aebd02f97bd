"""Patches: cut while decoding or after it, centred, flipped, of any format."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.augment import centre_patch, plain_patch, random_patch
from tools.robustness.small_pictures import encoded, photograph


def decoded(jpeg):
    return tf.io.decode_jpeg(jpeg, channels=3).numpy()


def patches(data, seeds, side=24, least_area=0.2):
    return np.stack([random_patch(data, tf.constant([s, 5]), side, least_area) for s in seeds])


@pytest.mark.parametrize("subsampling", [0, 2])
def test_cutting_while_decoding_equals_cutting_afterwards(subsampling):
    jpeg = encoded(photograph(3, 90, 130), "JPEG", quality=95, subsampling=subsampling)
    png = encoded(decoded(jpeg))
    seeds = range(20)
    while_decoding, afterwards = patches(jpeg, seeds), patches(png, seeds)
    # Chroma is interpolated a little differently at the window's edge.
    assert np.abs(while_decoding - afterwards).max() <= (1 if subsampling == 0 else 12)
    assert np.abs(while_decoding - afterwards).mean() < 0.3
    assert np.abs(afterwards[0] - afterwards[1]).mean() > 5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64), (7, 200, 3), (1, 1, 3)])
def test_patches_are_floats_of_the_right_size(kind, shape):
    x = np.resize(photograph(1), shape)
    for patch in (
        random_patch(encoded(x, kind), tf.constant([1, 2]), 16, 0.25),
        centre_patch(encoded(x, kind), 16),
    ):
        assert patch.dtype == tf.float32
        assert patch.shape == (16, 16, 3)
        assert patch.numpy().min() >= 0
        assert patch.numpy().max() <= 255
        if len(shape) == 2:
            np.testing.assert_allclose(patch[..., 0], patch[..., 2], atol=1e-3)


def test_patch_follows_its_seed():
    data = encoded(photograph(1))
    one, same, other = patches(data, [1, 1, 2])
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).mean() > 1


def ramps(height=64, width=64):
    """Red grows to the right, green grows downwards."""
    v, u = np.mgrid[:height, :width]
    x = np.stack([4 * u, 4 * v, np.zeros_like(u)], axis=-1)
    return np.clip(x, 0, 255).astype(np.uint8)


def test_half_of_the_patches_are_flipped_sideways_and_none_upside_down():
    found = patches(encoded(ramps()), range(60))
    flipped = found[:, :, 0, 0] > found[:, :, -1, 0]
    assert (flipped == flipped[:, :1]).all()
    assert 15 <= flipped[:, 0].sum() <= 45
    assert (found[:, -1, :, 1] > found[:, 0, :, 1]).all()


@pytest.mark.parametrize("least_area", [0.3, 0.9])
def test_patches_show_the_least_area(least_area):
    found = patches(encoded(ramps()), range(40), side=64, least_area=least_area)
    # The ramps' range over a patch, as a share of their range over the picture.
    width = np.ptp(found[..., 0], axis=(1, 2)) / 252
    height = np.ptp(found[..., 1], axis=(1, 2)) / 252
    area = width * height
    assert area.min() > least_area - 0.06
    assert area.min() < least_area + 0.2
    # Windows lie anywhere: as much is left out on one side as on the other.
    before = found[..., :2].min(axis=(1, 2)).mean(axis=0)
    after = 252 - found[..., :2].max(axis=(1, 2)).mean(axis=0)
    np.testing.assert_allclose(before, after, atol=0.25 * (1 - least_area**0.5) * 252)
    ratio = width / height
    assert ratio.min() > 0.7
    assert ratio.max() < 1.42


@pytest.mark.parametrize("shape", [(32, 64), (64, 32), (33, 64)])
def test_centre_patch_is_the_largest_centred_square(shape):
    x = photograph(4, *shape)
    edge = min(shape)
    top, left = (shape[0] - edge) // 2, (shape[1] - edge) // 2
    square = x[top : top + edge, left : left + edge]
    np.testing.assert_allclose(centre_patch(encoded(x), edge), square, atol=1e-3)


def test_shrinking_averages_areas():
    x = photograph(4, 64, 64)
    means = x.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(centre_patch(encoded(x), 16), means, atol=1e-2)


def test_enlarging_keeps_an_even_picture_even():
    x = np.full((5, 5, 3), [250, 3, 128], np.uint8)
    patch = centre_patch(encoded(x), 32).numpy()
    np.testing.assert_allclose(patch, np.broadcast_to([250, 3, 128], patch.shape), atol=1e-2)


def test_cmyk_jpegs_have_colours():
    file = io.BytesIO()
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(file, "JPEG", quality=95)
    patch = centre_patch(file.getvalue(), 16).numpy()
    np.testing.assert_allclose(patch.mean(axis=(0, 1)), [255, 0, 0], atol=10)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_plain_patches_are_cut_from_pictures_as_they_are(kind):
    x = photograph(3, 50, 70)
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    data = encoded(x, kind, **options)
    whole = centre_of(data)
    for seed in range(8):
        patch = plain_patch(data, tf.constant([seed, 5]), 24).numpy()
        places = [
            (y, z)
            for y in range(50 - 23)
            for z in range(70 - 23)
            for piece in (whole[y : y + 24, z : z + 24],)
            if np.abs(piece - patch).max() <= 1 or np.abs(piece[:, ::-1] - patch).max() <= 1
        ]
        assert places


def test_plain_patches_come_from_everywhere():
    ramp = np.zeros((40, 60, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(40)[:, None], np.arange(60)
    data = encoded(ramp)
    corners = np.array(
        [
            plain_patch(data, tf.constant([s, 1]), 16)[:, :, :2].numpy().min((0, 1))
            for s in range(300)
        ]
    )
    assert corners.min(axis=0).tolist() == [0, 0]
    assert corners.max(axis=0).tolist() == [40 - 16, 60 - 16]


def test_plain_patches_of_small_pictures_are_resized():
    patch = plain_patch(encoded(photograph(1, 10, 30)), tf.constant([1, 2]), 16)
    assert patch.shape == (16, 16, 3)
    assert 0 <= patch.numpy().min() < patch.numpy().max() <= 255


def centre_of(data):
    return tf.cast(tf.io.decode_image(data, channels=3), tf.float32).numpy()
