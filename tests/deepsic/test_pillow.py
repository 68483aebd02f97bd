"""Pillow opens and saves `.dsic` files."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import deepsic
from deepsic import container
from tests.deepsic.conftest import ellipse, with_metadata


def test_pillow_opens_and_saves(x, tmp_path):
    path = tmp_path / "a.dsic"
    Image.fromarray(x).save(path, model="pre-0.5bpp")
    with Image.open(path) as image:
        assert (image.format, image.size, image.mode) == ("DSIC", (90, 70), "RGB")
        assert image.info["label"] == str(deepsic.open(path).label)
        assert (np.asarray(image) == deepsic.open(path).image).all()
    sizes = []
    for bpp in (0.25, 1.5):
        Image.fromarray(x).save(path, bpp=bpp)
        sizes.append(path.stat().st_size)
    assert sizes[0] < sizes[1]
    out = io.BytesIO()
    Image.fromarray(x).convert("L").save(out, "DSIC")
    assert Image.open(io.BytesIO(out.getvalue())).convert("L").size == (90, 70)


def test_pillow_keeps_transparency_metadata_and_grey(x, tmp_path):
    path = tmp_path / "a.dsic"
    image = with_metadata(np.dstack([x, ellipse()]))
    image.save(path)
    with Image.open(path) as found:
        assert found.mode == "RGBA"
        assert found.size == (70, 90)
        assert found.getexif()[0x010F] == "Maker"
        assert (np.asarray(found)[..., 3] == np.rot90(ellipse(), -1)).all()
        found.convert("RGB").save(tmp_path / "b.jpg", exif=found.info["exif"])
    assert Image.open(tmp_path / "b.jpg").getexif()[0x010F] == "Maker"
    Image.fromarray(x).convert("L").save(path)
    assert Image.open(path).mode == "L"
    assert np.asarray(Image.open(path)).shape == (70, 90)
    image.save(path, keep_metadata=False)
    assert "exif" not in Image.open(path).info


def test_pillow_complains_of_damaged_files_as_it_does_of_others(x, tmp_path):
    data = bytearray(deepsic.load().compress(x))
    data[-9] ^= 1
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(bytes(data)))
    _, payload = container.unpack(deepsic.load().compress(x))
    stranger = container.pack(container.Header("post", b"none", 90, 70), payload)
    with pytest.raises(OSError, match="6e6f6e65"):
        Image.open(io.BytesIO(stranger)).load()


@pytest.mark.parametrize("order", ["deepsic, PIL.Image", "PIL.Image, deepsic"])
def test_pillow_knows_the_format_whichever_is_imported_first(order):
    code = f"import {order}, PIL.Image as I; print(I.EXTENSION['.dsic'], 'DSIC' in I.OPEN)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "DSIC True\n", done.stderr


@pytest.mark.parametrize("arch", ["pre", "post"])
def test_the_arch_alone_chooses_the_default_model_of_it(x, tmp_path, arch):
    Image.fromarray(x).save(tmp_path / "a.dsic", arch=arch)
    assert deepsic.open(tmp_path / "a.dsic").codec.folder.name == f"{arch}-0.5bpp"
