"""The joint loss under a pretrained head: a teacher's answers reach the codec."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from models.pretrained import shared_network
from tests.models.tiny import tiny_config
from tools.robustness.small_pictures import photograph
from training.loop import Run
from training.loss import UNLABELLED, semantic_loss, truth_of
from training.run import build_model, set_precision
from training.settings import PARTS, TrainSettings
from training.strategies import make_strategy

pytestmark = pytest.mark.usefixtures("eagerly")

CODEC = ("features", "prior", "reconstruction")
SETTINGS = TrainSettings(
    steps=100,
    batch=2,
    patch=64,
    lr=1e-3,
    lambda1_top=0.05,
    rate="context",
    surrogate="soft",
)
# What the head of each model sees.
FORMS = [
    {"arch": "pre", "gains": 0},
    {"arch": "pre", "gains": 2},
    {"arch": "post", "gains": 0},
    {"arch": "post", "gains": 2, "head_input": "decoder"},
]


@pytest.fixture
def batch():
    """Two pictures without labels."""
    x = tf.constant([photograph(i, 64, 64) for i in range(2)], tf.float32)
    return {"x": x, "label": tf.fill((2,), tf.constant(UNLABELLED, tf.int64))}


def start(folder, form=FORMS[-1], **changes):
    settings = dataclasses.replace(SETTINGS, **changes)
    config = tiny_config(normalisation="gdn", head="pretrained", classes=1000, **form)
    strategy = make_strategy("cpu")
    model = build_model(config, settings, strategy, None)
    # The map of a codec that is not trained gives nothing but grey, or white.
    kernel = model.semantics.map.kernel
    model.semantics.map.kernel.assign(tf.random.stateless_normal(kernel.shape, (1, 2), 0.0, 30.0))
    return Run(folder, model, settings, strategy)


def weights(model, parts=PARTS):
    return [v.numpy() for p in parts for v in getattr(model, p).variables]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_the_codec_learns_from_the_teachers_answers(form, tmp_path, batch):
    model = start(tmp_path, form).model
    truth = truth_of(model, batch["x"], batch["label"])
    with tf.GradientTape() as tape:
        index = tf.constant([0.0, 1.0]) if form["gains"] else None
        logits = model(batch["x"], index, training=True, seed=(1, 2)).logits
        loss, _ = semantic_loss(logits, truth)
    kernels = [model.semantics.map.kernel, *(c.kernel for c in model.features.convs)]
    if form.get("head_input") == "decoder":
        kernels.append(model.reconstruction.stages[0].deconv.kernel)
    for gradient in tape.gradient(loss, kernels):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


def test_the_teacher_is_what_the_head_says_of_originals(tmp_path, batch, monkeypatch):
    head = start(tmp_path).model.semantics
    head.temperature.value.assign(0.7)
    answers = head.answers(batch["x"])
    np.testing.assert_allclose(tf.reduce_sum(answers, 1), 1, rtol=1e-5)
    monkeypatch.setattr(head, "pixels", lambda f: batch["x"])
    logits = head(tf.zeros((2, 8, 8, 8)))
    np.testing.assert_allclose(answers, tf.nn.softmax(logits), rtol=1e-4)
    expected = tf.nn.softmax(shared_network()(head.fit(batch["x"])) / 0.7)
    np.testing.assert_allclose(answers, expected, rtol=1e-4, atol=1e-7)


def test_without_weight_the_label_leaves_the_codec_as_it_is(tmp_path, batch):
    runs = [start(tmp_path, parts=parts, lambda2=0.0, clip=1.0) for parts in (PARTS, CODEC)]
    for _ in range(2):
        joint, alone = (run.step(batch) for run in runs)
    assert joint.semantic > 0
    assert joint.total == alone.total
    assert same(*(weights(run.model, CODEC) for run in runs))
    other = start(tmp_path, lambda2=1.0, clip=1.0)
    for _ in range(2):
        other.step(batch)
    assert not same(weights(other.model, ("features",)), weights(runs[0].model, ("features",)))


def test_all_parts_move_but_the_network(tmp_path, batch):
    run, network = start(tmp_path, lambda2=1.0), shared_network()
    before = {p: weights(run.model, (p,)) for p in PARTS}
    fixed, temperature = network(batch["x"]), run.model.semantics.temperature.value.numpy()
    run.step(batch)
    assert not [p for p in PARTS if same(before[p], weights(run.model, (p,)))]
    assert run.model.semantics.temperature.value == temperature
    assert same([network(batch["x"])], [fixed])
    learning = {v.ref() for v in run.optimisers.variables_to_train}
    assert {v.ref() for v in run.model.semantics.trainable_variables} <= learning
    assert len(run.model.semantics.trainable_variables) == 2


def test_the_head_comes_nearer_to_the_teacher(tmp_path, batch):
    run = start(tmp_path, lambda1=1e-9, lambda1_top=1e-9, lambda2=10.0)
    losses = [float(run.step(batch).semantic) for _ in range(8)]
    assert losses[-1] < losses[0] - 0.3


def test_half_precision_stops_at_the_head(tmp_path, batch):
    try:
        set_precision("bfloat16")
        run = start(tmp_path, precision="bfloat16", lambda2=1.0)
        losses = run.step(batch)
    finally:
        set_precision("float32")
    assert np.isfinite(losses.total)
    f = tf.random.stateless_normal((1, 4, 4, 8), (1, 2))
    pixels = run.model.semantics.pixels(f)
    assert pixels.dtype == tf.float32
    head = run.model.semantics.map
    expected = tf.nn.conv2d(f, head.kernel, 1, "SAME") + head.bias
    np.testing.assert_allclose(pixels, tf.nn.depth_to_space(expected, 8), rtol=1e-5, atol=1e-3)
