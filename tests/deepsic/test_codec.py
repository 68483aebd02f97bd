"""Pictures through whole models."""

import numpy as np
import pytest

from data.samples import sample_images
from deepsic import container, folders, saving, store, transforms
from deepsic.codec import Codec
from deepsic.container import Header
from deepsic.distortion import psnr
from deepsic.errors import CorruptFile, ModelError, UnknownModel
from deepsic.registry import Registry
from tools.robustness.small_models import make_model, photo


@pytest.fixture(scope="module", params=["pre", "post"])
def codec(request):
    return Codec(request.getfixturevalue(request.param))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 9), (8, 8), (33, 100), (200, 131)])
def test_any_size_comes_back_in_that_size(codec, size):
    x = photo(*size)
    x_hat, label = codec.decompress(codec.compress(x))
    assert x_hat.shape == x.shape
    assert x_hat.dtype == np.uint8
    assert label.name in (label.levels[-1], "unknown")
    assert label.levels[0] == "entity"
    assert label.probability >= 0.75 - 1 / 256


def test_the_file_holds_the_picture_that_the_networks_make(codec):
    x = photo(160, 160)
    q = codec.symbols(codec.features(x))
    x_hat, _ = codec.decompress(codec.compress(x, effort=0))
    assert (x_hat == codec.reconstruct(q, 160, 160)).all()
    # 16 channels of a block transform; a codec that lost the picture would be near 10 dB.
    assert psnr(x, x_hat) > 15


def test_pre_stores_its_label_and_post_does_not(codec):
    data = codec.compress(photo(64, 64))
    header, _ = container.unpack(data)
    assert (header.semantics is not None) == (codec.config.arch == "pre")


def test_the_whole_file_is_payload_and_24_bytes(codec):
    x = photo(64, 64)
    data = codec.compress(x)
    header, payload = container.unpack(data)
    semantics = len(header.semantics.section) if header.semantics else 0
    assert len(data) - len(payload) - semantics <= 24


def test_pictures_are_classified_in_batches_as_one_by_one(codec):
    f = np.stack([codec.features(photo(64, 64)), codec.features(photo(64, 64)[::-1])])
    batch = codec.classify_batch(f)
    assert batch.shape == (2, len(codec.labels.classes))
    np.testing.assert_allclose(batch, [codec.classify(one) for one in f], atol=1e-5)
    np.testing.assert_allclose(batch.sum(axis=1), 1, atol=1e-5)


def test_both_architectures_give_the_same_structure(codec):
    """A threshold of nearly one says little, none at all names a class; the rest come besides."""
    x = photo(64, 64)
    f = codec.features(x)
    post = codec.config.arch == "post"
    probabilities = codec.classify(codec.restore(codec.symbols(f)) if post else f)
    for threshold, topk in ((15 / 16, 0), (0.0, 2)):
        data = codec.compress(x, threshold, topk)
        header, payload = container.unpack(data)
        label = codec.get_label(header, codec.decode_symbols(header, payload), threshold, topk)
        assert label.probability >= threshold
        named = [label, *label.alternatives]
        assert len(label.alternatives) == topk
        for each in named if topk else []:
            expected = probabilities[codec.labels.names.index(each.name)]
            assert each.probability == pytest.approx(expected, abs=1 / 256 + 1e-5)


def test_tiles_leave_no_seam(codec, monkeypatch):
    x = sample_images()["china"][:300, :420]
    whole = codec.decompress(codec.compress(x))[0]
    monkeypatch.setattr(transforms, "TILE_PIXELS", 128)
    tiled = codec.decompress(codec.compress(x))[0]
    # Rounding may move a feature over a bin's edge, and a pixel by a level.
    assert np.abs(whole.astype(int) - tiled).max() <= 8
    assert (np.abs(whole.astype(int) - tiled) > 1).mean() < 1e-3
    q = codec.symbols(codec.features(x))
    a = codec.reconstruct(q, *x.shape[:2])
    monkeypatch.undo()
    assert np.abs(a.astype(int) - codec.reconstruct(q, *x.shape[:2])).max() <= 1


def test_damage_raises_one_kind_of_error(codec):
    data = codec.compress(photo(40, 40))
    rng = np.random.default_rng(0)
    for _ in range(50):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        with pytest.raises(CorruptFile):
            codec.decompress(bytes(damaged))


def test_models_are_found_by_fingerprint_and_others_refused(pre, post):
    header = Header("pre", pre.fingerprints[0], 8, 8)
    assert Registry([pre.path], shipped=False).folder(header).path == pre.path
    with pytest.raises(UnknownModel, match=header.fingerprint.hex()):
        Registry([post.path], shipped=False).folder(header)
    with pytest.raises(UnknownModel, match="--model"):
        Registry(advice="name it with --model").folder(Header("pre", b"\0\0\0\0", 8, 8))


def test_a_refit_leaves_older_files_readable(tmp_path):
    from training.context.fit import fit

    folder = make_model(tmp_path / "m", "post")
    codec = Codec(folder)
    x = photo(64, 64)
    data = codec.compress(x)
    q = codec.symbols(codec.features(photo(128, 128)))[None]
    refitted = saving.add_tables(folder, fit(q, lowest=-31, hidden=4, steps=0).to_bytes())
    assert len(refitted.fingerprints) == 2
    assert Codec(refitted).fingerprint != codec.fingerprint
    header, _ = container.unpack(data)
    again = Registry([tmp_path / "m"], shipped=False).codec(header)
    assert (again.decompress(data)[0] == codec.decompress(data)[0]).all()


DAMAGED = ["codec/weights", "codec/config", "codec/graphs", "heads/pre/graphs", "labels", "tables"]


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_model_files_are_named(tmp_path, name):
    folder = make_model(tmp_path / "m", "pre")
    path = next(p for p in folder.path.rglob("*.*") if str(p).startswith(f"{folder.path}/{name}"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError, match=str(path)):
        Codec(folders.open_folder(folder.path)).compress(photo(16, 16))


@pytest.mark.parametrize("name", ["pre-0.12bpp", "pre-0.5bpp", "pre-1.5bpp"])
@pytest.mark.parametrize("level", [0, 255])
def test_white_and_black_areas_come_back_as_they_are(name, level):
    """Around a photograph; what is near it may be off, where the decoder looks that far."""
    codec = Codec(store.find(name))
    x = np.full((320, 320, 3), level, np.uint8)
    x[120:200, 120:200] = sample_images()["coffee"][100:180, 200:280]
    x_hat, _ = codec.decompress(codec.compress(x, effort=0))
    around = np.ones(x.shape[:2], bool)
    around[72:248, 72:248] = False
    assert (x_hat[around] == level).mean() > 0.9
    assert np.abs(x_hat[around].astype(int) - level).max() <= 8


def test_only_the_ends_of_the_range_are_widened():
    x = np.array([[[0, 1, 254], [255, 2, 0]]], np.uint8)
    assert (transforms.widened(x) == [[[-2, 1, 254], [257, 2, -2]]]).all()
