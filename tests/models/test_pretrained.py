"""The pretrained head: one network for all models, the same in either runtime and in files."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import deepsic
from data.samples import sample_images
from deepsic import folders, pretrained, runtimes, taxonomy
from deepsic.codec import Codec
from deepsic.config import ModelConfig
from deepsic.errors import ModelError
from deepsic.pretrained import get_map_side
from models.efficientnet import LITE0, EfficientNet
from models.pretrained import shared_network
from tools.robustness.small_models import make_model, photo
from training import head
from training.distil import seen
from training.linear_map import solve


@pytest.fixture(
    scope="module", params=[("pre", "features"), ("post", "features"), ("post", "decoder")]
)
def folder(request, tmp_path_factory):
    """A small model whose map is solved on a photograph, with a temperature of its own."""
    path = tmp_path_factory.mktemp("pretrained")
    arch, head_input = request.param
    codec = make_model(path / "codec", "pre", gains=2 if head_input == "decoder" else 0)
    config = head.config_of(codec, arch, head_input)
    model = head.load(codec, config)
    x = np.stack([photo(192, 192), photo(192, 192)[:, ::-1]])
    kernel, bias = solve(seen(model), [x], config.stride, get_map_side(config))
    model.semantics.map.kernel.assign(kernel)
    model.semantics.map.bias.assign(bias)
    model.semantics.temperature.value.assign(0.5)
    return head.save(path / "model", codec, model, {})


@pytest.fixture(scope="module")
def codecs(folder):
    return {name: Codec(folder, runtime=name) for name in runtimes.NAMES}


def test_the_shared_network_is_the_packages(tmp_path):
    x = tf.constant(sample_images()["chelsea"][None, 38:262, 100:324], tf.float32)
    ours, theirs = shared_network()(x)[0], EfficientNet(LITE0.weights())(x)[0]
    assert np.abs(ours - theirs).max() < 0.05
    assert np.argmax(ours) == np.argmax(theirs)


def test_its_card_and_notice_say_where_it_comes_from():
    network = pretrained.open_network()
    assert network.card["source_sha256"] == LITE0.sha256
    assert network.card["licence"] == "Apache-2.0"
    notice = (network.path / "NOTICE").read_text()
    assert "ML Illustrated" in notice
    assert "Apache License" in (network.path / "LICENSE").read_text()
    for name, digest in network.card["sha256"].items():
        assert hashlib.sha256((network.path / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (224, 301)])
def test_both_runtimes_recognise_the_same(codecs, size):
    x = np.random.default_rng(0).uniform(0, 255, (2, *size, 3)).astype(np.float32)
    lite, keras = (codecs[name].runtime.recognise(x) for name in runtimes.NAMES)
    assert lite.shape == (2, 1000)
    np.testing.assert_allclose(lite, keras, atol=2e-3)


@pytest.mark.parametrize("size", [(90, 130), (430, 300), (40, 300)])
def test_both_runtimes_classify_the_same(codecs, size):
    x = np.resize(photo(200, 200), (*size, 3))
    lite, keras = (codecs[name].classify(codecs[name].features(x)) for name in runtimes.NAMES)
    assert lite.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(lite, keras, atol=0.02)


def test_files_carry_labels_of_the_whole_tree(folder, codecs):
    codec = codecs["litert"]
    data = codec.compress(photo(150, 170), topk=2)
    x_hat, label = codec.decompress(data)
    assert x_hat.shape == (150, 170, 3)
    assert label.levels[0] == taxonomy.imagenet().names_of(taxonomy.imagenet().tree.root)[0]
    if folder.arch == "pre":
        assert len(label.alternatives) == 2
        assert data.label == label


@pytest.mark.parametrize("size", [(224, 224), (240, 304)])
def test_keras_head_agrees_with_the_librarys(size, folder, codecs):
    codec = codecs["tensorflow"]
    f = codec.features(np.resize(photo(200, 200), (*size, 3)))
    model = codec.runtime.model
    y = tf.constant(f[None])
    if folder.config.head_input == "decoder":
        y = model.reconstruction.decode_first(y)
    logits = model.semantics(y)[0].numpy()
    expected = np.exp(logits - logits.max())
    np.testing.assert_allclose(codec.classify(f), expected / expected.sum(), atol=0.03)


def test_the_thumbnail_is_a_small_picture(codecs):
    codec, x = codecs["litert"], np.tile(photo(160, 160), (3, 3, 1))[:470, :455]
    f = codec.features(x)
    small = codec.thumbnail(f, *x.shape[:2])
    assert small.shape == (235, 228, 3)
    means = x[:470, :454].reshape(235, 2, 227, 2, 3).mean((1, 3))
    assert np.abs(small[:, :227] - means).mean() < 25
    assert codec.thumbnail(codec.symbols(f), *x.shape[:2], least=50).shape == (59, 57, 3)


def test_files_open_to_thumbnails(folder, codecs):
    data = codecs["litert"].compress(np.tile(photo(160, 160), (3, 3, 1)))
    file = deepsic.open(data, model=folder.path)
    assert file.get_thumbnail().shape == (240, 240, 3)
    assert file.get_thumbnail(least=100).shape == (120, 120, 3)


def test_the_papers_head_makes_no_thumbnails(tmp_path):
    codec = Codec(make_model(tmp_path / "m", "pre"))
    with pytest.raises(ModelError, match="pretrained"):
        codec.thumbnail(codec.features(photo(64, 64)), 64, 64)


def test_the_codec_is_copied_as_it_is(folder, tmp_path):
    codec = make_model(tmp_path / "codec", "pre", gains=folder.config.gains)
    assert folder.fingerprints == codec.fingerprints
    assert folder.read("codec/weights.npz") == codec.read("codec/weights.npz")
    assert folder.labels.classes == list(taxonomy.imagenet().ids[:1000])


def test_a_pretrained_head_has_a_thousand_classes():
    with pytest.raises(ValueError, match="1000 classes"):
        ModelConfig(head="pretrained", classes=10)
    with pytest.raises(ValueError, match="head"):
        ModelConfig(head="other")
    with pytest.raises(ValueError, match="head_input"):
        ModelConfig(head_input="decoder")
    with pytest.raises(ValueError, match="head_input"):
        ModelConfig(head="pretrained", head_input="decoder", strides=(2, 2, 2, 2))


def damaged(change, folder, tmp_path):
    """A copy of a model whose head has other weights, with checksums that fit."""
    path = shutil.copytree(folder.path, tmp_path / "m")
    name = f"heads/{folder.arch}/weights.npz"
    arrays = change(dict(np.load(path / name)))
    np.savez(path / name, **arrays)
    manifest = json.loads((path / folders.CARD).read_text())
    manifest["sha256"][name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    (path / folders.CARD).write_text(json.dumps(manifest))
    return Codec(folders.open_folder(path))


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {k: v for k, v in a.items() if k != pretrained.TEMPERATURE},
        lambda a: a | {pretrained.TEMPERATURE: np.float16(0)},
        lambda a: a | {pretrained.KERNEL: a[pretrained.KERNEL][:2]},
        lambda a: a | {pretrained.BIAS: a[pretrained.BIAS] * np.float16(np.inf)},
    ],
)
def test_damaged_heads_are_told(change, folder, tmp_path):
    codec = damaged(change, folder, tmp_path)
    with pytest.raises(ModelError):
        codec.classify(codec.features(photo(64, 64)))


def test_a_damaged_network_is_told(tmp_path):
    path = shutil.copytree(pretrained.FOLDER, tmp_path / "network")
    data = bytearray((path / "weights.npz").read_bytes())
    data[5000] ^= 1
    (path / "weights.npz").write_bytes(data)
    with pytest.raises(ModelError, match="checksum"):
        pretrained.open_network(path).graph()
    (path / pretrained.CARD).write_text("{}")
    with pytest.raises(ModelError, match="damaged"):
        pretrained.open_network(path)
    with pytest.raises(ModelError, match="not there"):
        pretrained.open_network(tmp_path)
