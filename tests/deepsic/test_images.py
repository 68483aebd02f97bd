"""Pictures of every kind read as people see them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from deepsic import cli, formats
from deepsic.images import (
    BadImage,
    read_image,
    read_picture,
)
from tools.robustness.small_pictures import encoded, photograph


@pytest.fixture
def warnings():
    return []


def store(path, x, mode=None, **options):
    if mode is None:
        image = Image.fromarray(x)
    else:
        image = Image.frombytes(mode, (x.shape[1], x.shape[0]), x.tobytes())
    image.save(path, **options)
    return path


def no_warning(text):
    raise AssertionError(f"unexpected warning: {text}")


def test_greyscale_has_three_equal_channels(tmp_path):
    path = store(tmp_path / "g.png", np.array([[0, 128, 255]], np.uint8))
    x = read_image(path, warn=no_warning)
    assert x.dtype == np.uint8
    np.testing.assert_array_equal(x, [[[0] * 3, [128] * 3, [255] * 3]])


def test_one_bit_pictures_are_black_and_white(tmp_path):
    path = store(tmp_path / "b.png", np.array([[True, False]]))
    np.testing.assert_array_equal(read_image(path), [[[255] * 3, [0] * 3]])


def palette_picture():
    image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    return image


def test_palette_gives_its_colours(tmp_path):
    palette_picture().save(tmp_path / "p.png")
    x = read_image(tmp_path / "p.png", warn=no_warning)
    np.testing.assert_array_equal(x, [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]])


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_transparent_palette_entry_becomes_white(tmp_path, warnings, kind):
    palette_picture().save(tmp_path / f"p.{kind}", transparency=1)
    x = read_image(tmp_path / f"p.{kind}", warn=warnings.append)
    np.testing.assert_array_equal(x, [[[10, 20, 30], [255, 255, 255], [70, 80, 90]]])
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("mode", "pixels", "expected"),
    [
        ("LA", [[[100, 0], [100, 255], [100, 128]]], [[255] * 3, [100] * 3, [177] * 3]),
        (
            "RGBA",
            [[[9, 0, 0, 0], [9, 50, 255, 255], [100, 0, 0, 128]]],
            [[255] * 3, [9, 50, 255], [177, 127, 127]],
        ),
    ],
)
def test_transparency_is_laid_on_white_with_a_warning(tmp_path, warnings, mode, pixels, expected):
    path = store(tmp_path / "t.png", np.array(pixels, np.uint8), mode)
    x = read_image(path, warn=warnings.append)
    np.testing.assert_allclose(x[0].astype(int), expected, atol=1)
    assert len(warnings) == 1
    assert "white" in warnings[0]
    assert str(path) in warnings[0]


def test_opaque_alpha_warns_of_nothing(tmp_path):
    path = store(tmp_path / "o.png", np.array([[[1, 2, 3, 255]]], np.uint8))
    np.testing.assert_array_equal(read_image(path, warn=no_warning), [[[1, 2, 3]]])


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bit_greyscale_is_scaled_to_eight(tmp_path, kind):
    path = store(tmp_path / f"deep.{kind}", np.array([[0, 257, 32896, 51400, 65535]], np.uint16))
    np.testing.assert_array_equal(read_image(path)[0, :, 0], [0, 1, 128, 200, 255])


def test_dark_sixteen_bit_greyscale_stays_dark(tmp_path):
    path = store(tmp_path / "dark.png", np.array([[0, 100, 255]], np.uint16))
    assert read_image(path).max() <= 1


@pytest.mark.parametrize("top", [1.0, 255.0, 1000.0])
def test_float_greyscale_is_scaled_by_its_top(tmp_path, top):
    path = store(tmp_path / "f.tif", np.array([[0, 0.5, 1]], np.float32) * top)
    np.testing.assert_array_equal(read_image(path)[0, :, 0], [0, 128, 255])


def test_cmyk_jpeg_has_the_colours_that_it_shows(tmp_path):
    red = np.full((16, 16, 4), [0, 255, 255, 0], np.uint8)
    path = store(tmp_path / "c.jpg", red, "CMYK", quality=95)
    np.testing.assert_allclose(
        read_image(path).reshape(-1, 3).astype(int), [[255, 0, 0]] * 256, atol=8
    )


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda x: x),
        (2, lambda x: x[:, ::-1]),
        (3, lambda x: x[::-1, ::-1]),
        (4, lambda x: x[::-1]),
        (5, lambda x: x.swapaxes(0, 1)),
        (6, lambda x: np.rot90(x, -1)),
        (7, lambda x: x[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda x: np.rot90(x)),
    ],
)
def test_exif_rotation_is_applied(tmp_path, orientation, turn):
    x = photograph(1, 3, 5)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = store(tmp_path / "e.png", x, exif=exif)
    np.testing.assert_array_equal(read_image(path), turn(x))


def test_single_pixel_is_a_picture(tmp_path):
    path = store(tmp_path / "1.png", np.array([[[7, 8, 9]]], np.uint8))
    np.testing.assert_array_equal(read_image(path), [[[7, 8, 9]]])


@pytest.mark.parametrize("kind", ["gif", "tif", "webp"])
def test_first_frame_of_an_animation_is_taken_with_a_warning(tmp_path, warnings, kind):
    first, second = (Image.new("RGB", (8, 8), (v, v, v)) for v in (40, 200))
    path = tmp_path / f"a.{kind}"
    first.save(path, save_all=True, append_images=[second])
    x = read_image(path, warn=warnings.append)
    np.testing.assert_allclose(x.astype(int), 40, atol=3)
    assert len(warnings) == 1
    assert "first frame" in warnings[0]


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "bmp", "tif", "webp", "jp2", "ppm"])
def test_truncated_pictures_are_bad(tmp_path, kind):
    path = store(tmp_path / f"t.{kind}", photograph(1, 64, 64))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadImage, match=str(path)):
        read_image(path)


def test_damaged_png_is_bad(tmp_path):
    data = bytearray(encoded(photograph(1, 64, 64)))
    data[len(data) // 2] ^= 255
    (tmp_path / "d.png").write_bytes(data)
    with pytest.raises(BadImage):
        read_image(tmp_path / "d.png")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_files_that_are_no_pictures_are_bad(tmp_path, content):
    (tmp_path / "no.png").write_bytes(content)
    with pytest.raises(BadImage, match="no picture"):
        read_image(tmp_path / "no.png")


def test_missing_files_and_folders_are_bad(tmp_path):
    with pytest.raises(BadImage, match="does not exist"):
        read_image(tmp_path / "none.png")
    with pytest.raises(BadImage, match=str(tmp_path)):
        read_image(tmp_path)


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    # It has a header and no pixels: decoding it would fail in another way.
    header = struct.pack(">IIBBBBB", 100_000, 90_000, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")
    (tmp_path / "bomb.png").write_bytes(start)
    with pytest.raises(BadImage, match=r"100000×90000 pixels") as raised:
        read_image(tmp_path / "bomb.png")
    assert "--max_pixels=9000000000" in cli.explain(raised.value)


@pytest.mark.parametrize("kind", ["PCX", "ICO", "DDS", "SGI", "QOI", "TGA"])
def test_rarer_formats_of_pillow_are_read(tmp_path, kind):
    x = photograph(1, 32, 48)
    (tmp_path / "a").write_bytes(
        encoded(x, kind, **({"sizes": [(48, 32)]} if kind == "ICO" else {}))
    )
    np.testing.assert_array_equal(read_image(tmp_path / "a", warn=no_warning), x)


def test_extensions_are_those_that_pillow_knows_for_these_formats():
    Image.init()
    known = {e for e, kind in Image.registered_extensions().items() if kind in formats.READERS}
    assert known - {".dsic"} == formats.EXTENSIONS
    assert set(formats.READERS) <= set(Image.OPEN)


def test_an_icon_that_hides_a_larger_picture_is_refused(tmp_path):
    inner = encoded(np.zeros((300, 400, 3), np.uint8))
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22)
    (tmp_path / "a.ico").write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + inner)
    with pytest.raises(BadImage):
        read_image(tmp_path / "a.ico", max_pixels=1000)


def heic(tmp_path):
    """The first bytes of a HEIC picture."""
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x1cftypheic" + bytes(100))
    return path


def test_heic_says_what_to_install(tmp_path):
    if formats.has_heif():
        pytest.skip("pillow-heif is installed")
    with pytest.raises(BadImage, match="pip install pillow-heif"):
        read_image(heic(tmp_path))


def test_a_phones_second_picture_is_no_animation(tmp_path):
    first, second = (Image.new("RGB", (16, 16), (v, v, v)) for v in (40, 200))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    read_image(tmp_path / "a.jpg", warn=no_warning)


def test_an_open_file_is_read(tmp_path):
    x = photograph(1)
    found = read_picture(io.BytesIO(encoded(x)), warn=no_warning)
    np.testing.assert_array_equal(found.rgb, x)


@pytest.mark.parametrize("kind", ["EPS", "PDF"])
def test_formats_that_are_not_listed_are_not_opened(tmp_path, kind):
    """Pillow would hand an EPS to Ghostscript, whatever the file is called."""
    (tmp_path / "a.png").write_bytes(encoded(photograph(1), kind))
    with pytest.raises(BadImage, match="no picture"):
        read_image(tmp_path / "a.png")


def test_limit_of_pixels_is_inclusive(tmp_path):
    path = store(tmp_path / "l.png", photograph(1, 6, 7))
    assert read_image(path, max_pixels=42).shape == (6, 7, 3)
    with pytest.raises(BadImage, match="more than 41"):
        read_image(path, max_pixels=41)
