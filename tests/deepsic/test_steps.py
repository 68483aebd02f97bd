"""One model at several quantiser steps: what files, names and tables make of them."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from deepsic import container, folders, saving, store
from deepsic.archives import schema
from deepsic.codec import Codec
from deepsic.distortion import psnr
from deepsic.dsicfile import DsicFile
from deepsic.errors import CorruptFile, ModelError
from deepsic.quantiser import LOG_GAIN, get_gain
from deepsic.registry import Registry
from models.weights import load_networks
from tools.robustness.small_models import make_model, photo


@pytest.fixture(scope="module", params=["pre", "post"])
def folder(request, tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("steps") / "m", request.param, gains=3)


@pytest.fixture(scope="module")
def codec(folder):
    return Codec(folder)


def test_finer_steps_cost_more_and_lose_less(codec):
    x = photo(160, 200)
    sizes, qualities = [], []
    for step in codec.config.trained_steps[::16]:
        data = codec.at(step).compress(x, effort=0)
        x_hat, _ = codec.decompress(data)
        sizes.append(len(data))
        qualities.append(psnr(x, x_hat))
    assert len(sizes) == 5
    assert sizes == sorted(set(sizes))
    assert qualities == sorted(set(qualities))


def test_a_file_says_its_step_and_is_decoded_at_it(folder, codec):
    x = photo(64, 96)
    data = codec.at(40).compress(x, effort=0)
    assert container.unpack(data)[0].step == 40
    file = DsicFile(data, models=Registry([folder.path], shipped=False))
    assert file.codec.step == 40
    q = codec.at(40).symbols(codec.features(x))
    assert (file.symbols == q).all()
    assert (file.image == codec.at(40).reconstruct(q, 64, 96)).all()
    other = codec.at(0).reconstruct(q, 64, 96)
    assert np.abs(file.image.astype(int) - other).max() > 2


@pytest.mark.parametrize("step", [-20, 0, 21, 64, 90])
def test_library_and_networks_agree_at_every_step(folder, codec, step):
    x = photo(64, 96)
    model = load_networks(folder)
    index = tf.constant([step / 32])
    expected = model.symbols(model.features(x[None].astype(np.float32), index)).numpy()[0]
    at = codec.at(step)
    q = at.symbols(at.features(x))
    assert q.dtype == np.int16
    # A feature may lie so near to an edge that rounding decides.
    assert (q != expected).mean() < 1e-3
    assert np.abs(q - expected).max() <= 1
    x_hat = model.reconstruction(model.restore(tf.constant(expected[None])), index).numpy()[0]
    assert np.abs(at.reconstruct(expected, 64, 96) - np.clip(x_hat, 0, 255)).max() < 0.51
    seen = at.features(x) if folder.arch == "pre" else at.restore(expected)
    logits = model(x[None].astype(np.float32), index).logits.numpy()[0]
    np.testing.assert_allclose(
        at.classify(seen), tf.nn.softmax(logits).numpy(), rtol=1e-3, atol=1e-4
    )


def test_a_file_is_called_by_the_name_of_its_step():
    """An archive's column `model` tells the steps of one model apart."""
    models, names = Registry(), []
    for name in ("pre-0.12bpp", "pre-0.25bpp"):
        data = Codec(store.find(name)).compress(photo(32, 48))
        names.append(schema.Rows(models).make("a", data)["model"])
    assert names == ["pre-0.12bpp", "pre-0.25bpp"]


def test_lambda1_is_geometric_between_rates(folder):
    known = [0.002, 0.01, 0.05]
    between, beyond, below = 0.002**0.5 * 0.01**0.5, 0.05 * 5**0.5, 0.002 / 5**0.5
    for step, expected in (
        (0, known[0]),
        (16, between),
        (64, known[2]),
        (80, beyond),
        (-16, below),
    ):
        assert folder.get_lambda1(step) == pytest.approx(expected)
    with pytest.raises(ModelError, match="λ1"):
        dataclasses.replace(folder, manifest=folder.manifest | {"rates": {}}).get_lambda1(0)


def test_gains_are_geometric_between_rates():
    log_gain = np.log(np.array([[1.0, 2.0], [4.0, 8.0]], np.float32))
    np.testing.assert_allclose(get_gain(log_gain, 0.5), [2, 4], rtol=1e-6)
    np.testing.assert_allclose(get_gain(log_gain, 1), [4, 8], rtol=1e-6)
    np.testing.assert_allclose(get_gain(log_gain, 1.5), [8, 16], rtol=1e-6)
    np.testing.assert_allclose(get_gain(log_gain, -0.5), [0.5, 1], rtol=1e-6)


@pytest.mark.parametrize("step", [-31, -1, 95])
def test_steps_go_on_beyond_the_trained_rates(folder, codec, step):
    x = photo(64, 96)
    data = codec.at(step).compress(x, effort=0)
    assert container.unpack(data)[0].step == step
    assert codec.decompress(data)[1] == codec.at(step).decompress(data)[1]
    assert store.find(store.find(f"{folder.path}@{step}").reference).step == step
    nearest = codec.at(min(max(step, 0), 64)).compress(x, effort=0)
    assert (len(data) < len(nearest)) == (step < 0)


def test_steps_that_no_model_has_are_refused(codec):
    with pytest.raises(ValueError, match="steps -31 to 95, not 96"):
        codec.at(96)
    data = codec.compress(photo(16, 16))
    header, payload = container.unpack(data)
    wrong = container.pack(dataclasses.replace(header, step=200), payload)
    with pytest.raises(CorruptFile, match="steps -31 to 95, not 200"):
        codec.decompress(wrong)
    with pytest.raises(ValueError, match="for_file"):
        codec.at(3).decode_symbols(header, payload)


def test_steps_are_named_by_the_manifest(folder, tmp_path, monkeypatch):
    place = tmp_path / "shelf" / "one"
    shutil.copytree(folder.path, place)
    manifest = json.loads((place / folders.CARD).read_text())
    manifest["rates"]["names"] = {"0.2bpp": 10, "0.4bpp": 50}
    (place / folders.CARD).write_text(json.dumps(manifest))
    monkeypatch.setattr(store, "CHECKPOINTS", place.parent)
    arch = folder.arch
    assert [f.name for f in store.shipped()] == [f"{arch}-0.2bpp", f"{arch}-0.4bpp"]
    assert store.find(f"{arch}-0.4bpp").step == 50
    assert store.find("0.4bpp", arch).step == 50
    assert store.find(place).step == 10
    found = store.find(f"{place}@0.4bpp")
    assert (found.step, found.name) == (50, f"{arch}-0.4bpp")
    assert store.find(store.find(f"{place}@7").reference).step == 7
    for step in ("96", "0.3bpp", "-32", "-0"):
        with pytest.raises(ModelError, match="has no step"):
            store.find(f"{place}@{step}")
    assert Codec(store.find(f"{arch}-0.4bpp")).step == 50


def test_a_refit_keeps_the_names_of_steps(folder, tmp_path):
    shutil.copytree(folder.path, tmp_path / "m")
    old = folders.open_folder(tmp_path / "m")
    old.manifest["rates"]["names"] = {"low": 3}
    new = saving.add_tables(old, saving.bundle({0: old_table(old, 64)}))
    assert new.named_steps == {"low": 3}
    assert new.rates["lambda1"] == old.rates["lambda1"]
    assert list(new.tables()) == [0]
    assert list(new.tables(new.fingerprints[1])) == [0, 32, 64]


def old_table(folder, step):
    """One step's tables out of a folder."""
    return folder.tables()[step]().to_bytes()


@pytest.mark.parametrize("damage", ["missing", "shape", "size"])
def test_damaged_gains_are_told(folder, tmp_path, damage, monkeypatch):
    good = folder.codec_weights(LOG_GAIN)

    def spoiled(self, *names):
        wrong = good[LOG_GAIN][:2] if damage == "shape" else np.full_like(good[LOG_GAIN], 30)
        return {} if damage == "missing" else {LOG_GAIN: wrong}

    monkeypatch.setattr(folders.Folder, "codec_weights", spoiled)
    with pytest.raises(ModelError, match=LOG_GAIN):
        Codec(folder)
