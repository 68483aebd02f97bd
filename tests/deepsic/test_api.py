"""The door: what `import deepsic` offers, and what it says no to."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

import deepsic
from deepsic import container
from tools.robustness.small_models import photo


def test_the_lines_of_the_readme(x, tmp_path):
    codec = deepsic.load("pre-0.5bpp")
    data = codec.compress(x)
    (tmp_path / "a.dsic").write_bytes(data)
    f = deepsic.open(tmp_path / "a.dsic")
    y, label = deepsic.decompress(data)
    assert f.size == (90, 70)
    assert f.label == label == data.label
    assert (f.image == y).all()
    assert (f.symbols == codec.symbols(codec.features(x))).all()
    assert f.features.shape == f.symbols.shape
    assert np.abs(f.features).max() < 1
    assert f.codec.folder.name == "pre-0.5bpp"


def test_a_file_is_read_from_a_path_bytes_or_an_open_file(codec, x, tmp_path):
    data, folder = codec.compress(x), codec.folder.path
    (tmp_path / "a.dsic").write_bytes(data)
    for source in (tmp_path / "a.dsic", str(tmp_path / "a.dsic"), data, io.BytesIO(data)):
        assert deepsic.open(source, model=folder).image.shape == x.shape
    with pytest.raises(TypeError, match="not int"):
        deepsic.open(5)


def test_the_header_is_read_without_the_model(codec, x):
    """Only what needs the model complains of its absence."""
    header, payload = container.unpack(codec.compress(x))
    other = container.Header(header.arch, b"none", 90, 70, header.semantics)
    f = deepsic.open(container.pack(other, payload))
    assert f.size == (90, 70)
    assert repr(f) == f"<DsicFile 90×70, {header.arch} 6e6f6e65>"
    if header.arch == "pre":
        assert f.label.levels[0] == "entity"
    for name in ("image", "symbols", "features"):
        with pytest.raises(deepsic.ModelError, match="6e6f6e65"):
            getattr(f, name)


@pytest.mark.parametrize(
    ("bad", "error", "hint"),
    [
        (np.zeros((8, 8)), TypeError, "uint8"),
        (np.zeros((8, 8, 3)), TypeError, "float64"),
        (np.full((8, 8, 3), 0.5, np.float32), TypeError, "multiplied by 255"),
        (np.zeros((8, 8, 3), np.int64), TypeError, "int64"),
        (np.zeros((8, 8), np.uint8), ValueError, r"\(height, width, 3\)"),
        (np.zeros((8, 8, 2), np.uint8), ValueError, r"\(8, 8, 2\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), ValueError, r"\(1, 8, 8, 3\)"),
        (np.zeros((0, 8, 3), np.uint8), ValueError, "has pixels"),
        ([[[1, 2, 3]]], TypeError, "not list"),
        (None, TypeError, "NoneType"),
        ("a.png", TypeError, "not str"),
    ],
)
def test_what_is_no_picture_is_refused(codec, bad, error, hint):
    with pytest.raises(error, match=hint):
        codec.compress(bad)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "RGBA"])
def test_pillow_images_of_any_mode_go_in(codec, x, mode):
    image = Image.fromarray(x).convert(mode)
    y, _ = codec.decompress(codec.compress(image))
    assert (y == codec.decompress(codec.compress(np.asarray(image.convert("RGB"))))[0]).all()


def test_grey_pictures_come_back_grey(codec, x):
    grey = np.repeat(x[..., 1:2], 3, axis=-1)
    data = codec.compress(grey)
    assert container.read_header(data)[0].grey
    y, _ = codec.decompress(data)
    assert (y == y[..., :1]).all()
    f = deepsic.open(data, model=codec.folder.path)
    assert (f.image == y).all()
    plain = codec.reconstruct(f.symbols, 70, 90)
    assert (plain != plain[..., :1]).any()
    error = [np.square(z.astype(float) - grey).mean() for z in (y, plain)]
    assert error[0] < error[1]
    assert not container.read_header(codec.compress(x))[0].grey


@pytest.mark.parametrize(("threshold", "topk"), [(-0.1, 0), (1.0, 0), (0.5, -1), (0.5, 11)])
def test_numbers_out_of_range_are_refused(codec, x, threshold, topk):
    with pytest.raises(ValueError, match="must lie in"):
        codec.compress(x, threshold, topk)


def test_strange_views_of_pictures_go_in(codec, x):
    for view in (x[::-1], x[:, ::-1], np.asfortranarray(x), x[::2, 1::3]):
        assert codec.compress(view) == codec.compress(view.copy())


def test_files_of_another_model_or_arch_are_refused(pre, post, codec, x, request):
    mine = codec.config.arch
    header, payload = container.unpack(codec.compress(x))
    theirs = "post" if mine == "pre" else "pre"
    semantics = header.semantics if mine == "pre" else None
    for other in (
        container.Header(mine, b"none", 90, 70, semantics),
        container.Header(theirs, header.fingerprint, 90, 70, semantics),
    ):
        data = container.pack(other, payload)
        with pytest.raises(
            deepsic.ModelError, match=f"{other.arch} model {other.fingerprint.hex()}"
        ):
            codec.decompress(data)
        with pytest.raises(deepsic.ModelError, match="of the"):
            codec.get_label(other, codec.symbols(codec.features(x)))


def test_shipped_models_refuse_each_others_files(x):
    names = deepsic.models()
    assert {n.split("-")[0] for n in names} == {"pre", "post"}
    small = photo(16, 24)
    codecs = {name: deepsic.load(name) for name in names}
    data = {name: codec.compress(small) for name, codec in codecs.items()}
    for name in names[::3]:
        codec = codecs[name]
        for other, theirs in codecs.items():
            if (theirs.fingerprint, theirs.config.arch) != (codec.fingerprint, codec.config.arch):
                with pytest.raises(deepsic.ModelError):
                    codec.decompress(data[other])
        assert codec.decompress(data[name])[0].shape == small.shape


def test_what_is_no_data_is_refused(codec):
    for bad in ("a.dsic", None, 5, np.zeros(9)):
        with pytest.raises(TypeError, match="pass the bytes"):
            deepsic.decompress(bad)
    for data in (b"", b"DSIC", b"x" * 99):
        with pytest.raises(deepsic.CorruptFile):
            deepsic.decompress(data)


def test_models_that_are_not_there_are_named():
    with pytest.raises(deepsic.ModelError, match="no model nothing"):
        deepsic.load("nothing")
    with pytest.raises(ValueError, match="arch is one of"):
        deepsic.load("pre-0.5bpp", arch="both")
    with pytest.raises(ValueError, match="a runtime is one of"):
        deepsic.load("pre-0.5bpp", runtime="abacus")
    assert deepsic.load("checkpoints/medium", arch="post").config.arch == "post"


def test_all_errors_have_one_root():
    for error in (deepsic.BadFile, deepsic.CorruptFile, deepsic.ModelError):
        assert issubclass(error, deepsic.DeepsicError)


def test_compressed_pictures_keep_their_label_through_pickle(codec, x):
    data = pickle.loads(pickle.dumps(codec.compress(x)))
    assert data.label is not None
    assert deepsic.open(data, model=codec.folder.path).image.shape == x.shape
