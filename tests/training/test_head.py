"""A pretrained head is made for a finished codec: its map is solved, learns, and is calibrated."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.sources import open_source
from deepsic import folders
from deepsic.codec import Codec
from tools.robustness.small_models import make_model, photo
from training import calibrate, distil, head, linear_map, teacher
from training.settings import TrainSettings


def test_least_squares_find_a_linear_map():
    """Features that are a linear map of the picture's cells are read back."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)

    def features(batch):
        return (tf.nn.space_to_depth(batch, 4) - 100.0) / 1000.0

    kernel, bias = linear_map.solve(features, [x[:4], x[4:]], 4, 3)
    assert kernel.shape == (3, 3, 48, 48)
    f = features(tf.cast(x, tf.float32))
    y = tf.nn.depth_to_space(tf.nn.conv2d(f, kernel, 1, "SAME") + bias, 4)
    np.testing.assert_allclose(y, x, atol=0.5)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Paths of small photographs, one of which is damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(6):
        Image.fromarray(photo(160 + 8 * i, 200)).save(folder / f"{i}.png")
    (folder / "6.png").write_bytes(b"no picture")
    return sorted(folder.glob("*.png"))


def test_crops_are_the_same_for_one_seed(pictures):
    x = teacher.prepare(pictures, 10, seed=1)
    assert x.shape == (6, teacher.SIDE, teacher.SIDE, 3)
    assert (teacher.prepare(pictures, 10, seed=1) == x).all()
    assert (teacher.prepare(pictures, 10, seed=2) != x).any()
    assert len(teacher.prepare(pictures, 2, seed=1)) <= 2


def test_the_teacher_is_asked_once(pictures, tmp_path, monkeypatch):
    x = teacher.prepare(pictures, 3, seed=1)
    lesson = teacher.ask(x, tmp_path)
    assert lesson.answers.shape == (len(x), 1000)
    np.testing.assert_allclose(lesson.answers.astype(float).sum(1), 1, atol=0.01)
    monkeypatch.setattr(teacher, "_probabilities", lambda *a: pytest.fail("asked again"))
    assert (teacher.ask(x, tmp_path).answers == lesson.answers).all()


@pytest.mark.parametrize("head_input", ["features", "decoder"])
def test_the_map_learns_and_nothing_else(head_input, pictures, tmp_path):
    codec = make_model(tmp_path / "codec", "post")
    model = head.load(codec, head.config_of(codec, "post", head_input))
    lesson = teacher.ask(teacher.prepare(pictures, 6, seed=1), tmp_path)
    distil.solve_map(model, lesson, seed=1)
    fixed = {v.ref(): v.numpy() for v in model.variables if "/map/" not in v.name}
    map_before, losses = model.semantics.map.kernel.numpy(), []
    settings = TrainSettings(steps=40, batch=6, lr=0.02, warmup=2, clip=5.0)
    distil.distil(model, lesson, settings, lambda n, loss: losses.append(loss))
    assert losses[-1] < losses[0]
    assert (model.semantics.map.kernel.numpy() != map_before).any()
    for variable in model.variables:
        if variable.ref() in fixed:
            assert (variable.numpy() == fixed[variable.ref()]).all()


def test_the_temperature_is_the_one_that_was_laid_on():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 10))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.array([rng.choice(10, p=row) for row in p])
    assert calibrate.fit_temperature(1.7 * logits, truth) == pytest.approx(1.7, rel=0.05)
    assert calibrate.fit_temperature(0.6 * logits - 3, truth) == pytest.approx(0.6, rel=0.05)


@pytest.mark.parametrize(("arch", "gains"), [("pre", 0), ("post", 0), ("post", 3)])
def test_a_head_is_made_in_one_go(arch, gains, pictures, tmp_path):
    codec = make_model(tmp_path / "codec", "pre", gains=gains)
    for name in ("n01440764", "n02102040"):
        (tmp_path / "set" / "train" / name).mkdir(parents=True)
        Image.fromarray(photo(100, 120)).save(tmp_path / "set" / "train" / name / "a.png")
    labelled = open_source(f"folder:{tmp_path / 'set'}", "train")
    settings = TrainSettings(steps=2, batch=2, lr=1e-4)
    out = tmp_path / "runs" / "head"
    config, card = head.config_of(codec, arch), {"command": "c"}
    made = head.make(codec, config, pictures, labelled, settings, out, card, lambda s: None)
    assert made.fingerprints == codec.fingerprints
    assert made.rates == codec.rates
    assert made.arch == arch
    assert made.config.head == "pretrained"
    assert made.card["pictures"] == 6
    loaded = Codec(folders.open_folder(out / "model"))
    assert loaded.compress(photo(100, 120))
    temperature = float(made.weights()["semantics/temperature/value"])
    assert temperature == pytest.approx(made.card["temperature"], rel=1e-3)
    # The next head of that codec does not begin with it.
    assert float(head.load(made, config).semantics.temperature.value) == 1.0


def test_sets_of_other_classes_are_refused(pictures, tmp_path):
    (tmp_path / "set" / "train" / "cat").mkdir(parents=True)
    Image.fromarray(photo(100, 120)).save(tmp_path / "set" / "train" / "cat" / "a.png")
    labelled = open_source(f"folder:{tmp_path / 'set'}", "train")
    with pytest.raises(ValueError, match="synsets"):
        head.make(None, None, pictures, labelled, TrainSettings(), tmp_path, {}, print)
