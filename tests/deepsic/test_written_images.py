"""Pictures of every kind written whole or not at all."""

import numpy as np
import pytest
from PIL import Image, features

from deepsic.formats import EXTENSIONS, WRITERS
from deepsic.images import (
    BadImage,
    check_writable,
    read_image,
    read_picture,
    write_image,
    write_picture,
)
from deepsic.picture import Picture
from tools.robustness.small_pictures import photograph


@pytest.mark.parametrize("kind", ["png", "webp", "tif", "jp2", "avif"])
def test_transparency_is_read_and_written(tmp_path, kind):
    x = photograph(2, 16, 24)
    alpha = np.tile(np.array([0, 128, 255], np.uint8), (16, 8))
    write_picture(tmp_path / f"a.{kind}", Picture(x, alpha), warn=pytest.fail)
    found = read_picture(tmp_path / f"a.{kind}", warn=pytest.fail)
    if kind == "avif":
        assert found.alpha is not None
    else:
        np.testing.assert_array_equal(found.alpha, alpha)
        np.testing.assert_array_equal(found.rgb[alpha > 0], x[alpha > 0])


def test_formats_without_transparency_lay_on_white_with_a_warning(tmp_path):
    warnings = []
    picture = Picture(photograph(2, 16, 24), np.zeros((16, 24), np.uint8))
    write_picture(tmp_path / "a.jpg", picture, warn=warnings.append)
    assert read_image(tmp_path / "a.jpg").min() > 250
    assert len(warnings) == 1
    write_picture(tmp_path / "b.png", picture, background="#336699", warn=pytest.fail)
    assert np.asarray(Image.open(tmp_path / "b.png"))[0, 0].tolist() == [0x33, 0x66, 0x99]


def test_grey_pictures_are_written_as_greyscale(tmp_path):
    write_image(tmp_path / "a.png", np.repeat(photograph(1)[..., :1], 3, axis=-1))
    assert Image.open(tmp_path / "a.png").mode == "L"


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_whatever_is_written_can_be_read(tmp_path, kind):
    write_image(tmp_path / f"a{kind}", photograph(1))
    assert kind in EXTENSIONS
    assert read_image(tmp_path / f"a{kind}", warn=pytest.fail).shape == photograph(1).shape


@pytest.mark.parametrize(
    "name", ["a.png", "a.PNG", "a.bmp", "a.tif", "a.ppm", "a.jp2", "a.webp", "deep/er/a.png"]
)
def test_lossless_formats_come_back_exactly(tmp_path, name):
    x = photograph(2, 5, 9)
    write_image(tmp_path / name, x)
    np.testing.assert_array_equal(read_image(tmp_path / name), x)


@pytest.mark.parametrize("kind", [".jpg", ".avif"])
def test_other_formats_lose_little(tmp_path, kind):
    x = photograph(2, 64, 96)
    if kind == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    write_image(tmp_path / f"a{kind}", x)
    lost = np.square(read_image(tmp_path / f"a{kind}").astype(float) - x).mean()
    assert 0 < lost < 1.5  # 3.6 and 1.7 with Pillow's own settings


def test_format_is_the_extensions(tmp_path):
    write_image(tmp_path / "a.jpg", photograph(1))
    assert (tmp_path / "a.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.psd", "a.pdf", "a.eps", "a.gif"])
def test_formats_that_cannot_be_written_leave_nothing(tmp_path, name):
    with pytest.raises(BadImage, match=name):
        write_image(tmp_path / name, photograph(1))
    with pytest.raises(BadImage, match=r"\.png"):
        check_writable(tmp_path / name)
    assert left_in(tmp_path) == []


def test_a_picture_too_large_for_a_format_is_said_so(tmp_path):
    with pytest.raises(BadImage, match="cannot be written in that format"):
        write_image(tmp_path / "a.avif", np.zeros((1, 70_000, 3), np.uint8))
    assert left_in(tmp_path) == []


def test_failure_half_way_keeps_the_old_file_only(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(self, handle, **options):
        handle.write(b"half a picture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(BadImage, match="No space left on device"):
        write_image(path, photograph(1))
    assert left_in(tmp_path) == ["a.png"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_other_errors_leave_no_temporary_file(tmp_path, monkeypatch, error):
    def fail(self, handle, **options):
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(error):
        write_image(tmp_path / "a.png", photograph(1))
    assert left_in(tmp_path) == []


def test_file_in_the_place_of_a_folder_is_reported(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadImage, match="cannot be written"):
        write_image(tmp_path / "file" / "a.png", photograph(1))
    assert left_in(tmp_path) == ["file"]


def test_folder_in_the_place_of_a_file_is_reported(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(BadImage, match="cannot be written"):
        write_image(tmp_path / "a.png", photograph(1))
    assert left_in(tmp_path) == ["a.png"]
