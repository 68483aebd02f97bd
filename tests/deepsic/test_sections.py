"""Transparency and metadata, which follow the payload of a file."""

import numpy as np
import pytest
from PIL import Image

import deepsic
from deepsic import container
from tests.deepsic.conftest import ellipse, with_metadata


def test_transparency_comes_back_exactly(codec, x):
    rgba = np.dstack([x, ellipse()])
    for source in (rgba, Image.fromarray(rgba)):
        data = codec.compress(source)
        y, _ = codec.decompress(data)
        assert y.shape == (70, 90, 4)
        assert (y[..., 3] == ellipse()).all()
        f = deepsic.open(data, model=codec.folder.path)
        assert (f.image == y).all()
        assert (f.rgb == y[..., :3]).all()
        assert (f.alpha == ellipse()).all()
    assert codec.compress(np.dstack([x, np.full_like(x[..., 0], 255)])) == codec.compress(x)


def test_transparency_that_takes_too_much_is_refused(codec, x):
    noise = np.random.default_rng(0).integers(0, 256, (70, 90), np.uint8)
    with pytest.raises(deepsic.BadFile, match="transparency"):
        codec.compress(np.dstack([x, noise]))


def test_metadata_are_kept_unless_nobody_wants_them(codec, x):
    f = deepsic.open(codec.compress(with_metadata(x)), model=codec.folder.path)
    assert f.size == (70, 90)  # upright
    exif = Image.Exif()
    exif.load(f.metadata.exif)
    assert (exif[0x0112], exif[0x010F]) == (1, "Maker")
    assert f.metadata.xmp == b"<x:xmpmeta/>"
    f = deepsic.open(codec.compress(with_metadata(x), keep_metadata=False))
    assert f.metadata == (b"", b"")


@pytest.mark.parametrize("kind", [container.EXIF, container.ALPHA])
def test_damage_behind_the_picture_leaves_the_picture(codec, x, kind):
    sections = [container.Section(kind, b"data"), container.Section(container.XMP, b"\0more")]
    data = container.pack(*container.unpack(codec.compress(x)), sections)
    data = data.replace(b"data", b"dada")
    f = deepsic.open(data, model=codec.folder.path)
    assert (f.rgb == codec.decompress(codec.compress(x))[0]).all()
    with pytest.raises(deepsic.CorruptFile, match="metadata"):
        _ = f.metadata
    if kind == container.EXIF:
        assert (f.image == f.rgb).all()
        assert (codec.decompress(data)[0] == f.rgb).all()
    else:
        with pytest.raises(deepsic.CorruptFile, match="transparency"):
            _ = f.image
        with pytest.raises(deepsic.CorruptFile, match="transparency"):
            codec.decompress(data)
