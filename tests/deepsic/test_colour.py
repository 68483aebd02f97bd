"""Colours of other spaces, deep grey, and profiles that are no good."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from deepsic import colour
from deepsic.images import read_picture
from tools.robustness.small_pictures import photograph


def no_warning(text):
    raise AssertionError(f"unexpected warning: {text}")


def s15(value):
    return struct.pack(">i", round(value * 65536))


def matrix_profile(red, green, blue, gamma):
    """An ICC profile of version 2 of three colorants (XYZ at D50) and a gamma."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + b"".join(map(s15, values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {
        b"desc": text + bytes(-len(text) % 4),
        b"wtpt": xyz((0.9642, 1.0, 0.8249)),
        b"rXYZ": xyz(red),
        b"gXYZ": xyz(green),
        b"bXYZ": xyz(blue),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(s15, (0.9642, 1.0, 0.8249)))
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body


ADOBE_RGB = matrix_profile(
    (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.19922
)


def sum_of_squares(a, b):
    return np.square(a.astype(float) - b).mean()


def to_profile(x, profile):
    """The same colours as numbers of another profile."""
    return ImageCms.profileToProfile(
        Image.fromarray(x),
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )


@pytest.mark.parametrize(("kind", "error"), [("png", 1), ("tif", 1), ("jpg", 12)])
def test_pictures_with_a_profile_come_in_srgb(tmp_path, kind, error):
    x = 64 + photograph(3, 64, 96) // 2  # within the gamut of both
    numbers = to_profile(x, ADOBE_RGB)
    assert sum_of_squares(np.asarray(numbers), x) > 20
    options = {"quality": 98, "subsampling": "4:4:4"} if kind == "jpg" else {}
    numbers.save(tmp_path / f"a.{kind}", icc_profile=ADOBE_RGB, **options)
    found = read_picture(tmp_path / f"a.{kind}", warn=no_warning).rgb
    assert sum_of_squares(found, x) < error


def test_srgb_by_its_profile_is_left_alone(tmp_path):
    x = photograph(1)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(x).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", warn=no_warning).rgb, x)


def test_transparent_pictures_have_profiles_too(tmp_path):
    x = 64 + photograph(3, 16, 24) // 2
    image = to_profile(x, ADOBE_RGB)
    image.putalpha(128)
    image.save(tmp_path / "a.png", icc_profile=ADOBE_RGB)
    found = read_picture(tmp_path / "a.png", warn=no_warning)
    assert sum_of_squares(found.rgb, x) < 1
    assert (found.alpha == 128).all()


def test_lab_is_converted(tmp_path):
    x = 64 + photograph(3, 16, 24) // 2
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    ImageCms.applyTransform(Image.fromarray(x), to_lab).save(tmp_path / "a.tif")
    assert sum_of_squares(read_picture(tmp_path / "a.tif", warn=no_warning).rgb, x) < 4


def test_grey_with_a_profile_of_colours_stays_grey(tmp_path):
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(4, axis=0)
    Image.fromarray(ramp).save(tmp_path / "a.png", icc_profile=ADOBE_RGB)
    found = read_picture(tmp_path / "a.png", warn=no_warning).rgb
    assert colour.is_grey(found)
    assert (np.diff(found[0, :, 0].astype(int)) >= 0).all()
    assert not np.array_equal(found[..., 0], ramp)


@pytest.mark.parametrize(
    ("profile", "mode"), [(b"garbage", "RGB"), (ADOBE_RGB[:200], "RGB"), (ADOBE_RGB, "CMYK")]
)
def test_profiles_that_are_no_good_are_left_out_with_a_warning(tmp_path, profile, mode):
    said, x = [], photograph(1, 16, 24)
    Image.fromarray(x).convert(mode).save(tmp_path / "a.tif", icc_profile=profile)
    found = read_picture(tmp_path / "a.tif", warn=said.append).rgb
    assert sum_of_squares(found, x) < 1
    assert len(said) == 1
    assert "sRGB is assumed" in said[0]


@pytest.mark.parametrize("tags", [{281: 4095}, {}])
def test_twelve_bits_in_sixteen(tmp_path, tags):
    """Scaled where the file says so, else with a warning."""
    said = []
    deep = (np.arange(4096, dtype=np.uint16)).reshape(64, 64)
    Image.fromarray(deep).save(tmp_path / "a.tif", tiffinfo=tags)
    found = read_picture(tmp_path / "a.tif", warn=said.append).rgb
    assert found.max() == (255 if tags else 16)
    assert len(said) == (0 if tags else 1)
    assert tags or "fewer than 16 bits" in said[0]


def test_a_tag_that_the_samples_contradict_is_not_believed(tmp_path):
    deep = np.array([[0, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.tif", tiffinfo={281: 4095})
    assert read_picture(tmp_path / "a.tif", warn=no_warning).rgb[0, :, 0].tolist() == [0, 255]


def test_grey_is_told_from_nearly_grey():
    x = np.repeat(photograph(1)[..., :1], 3, axis=-1)
    assert colour.is_grey(x)
    x[5, 7, 2] ^= 1
    assert not colour.is_grey(x)
