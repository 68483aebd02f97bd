"""One iteration: its losses, what it changes and what it counts."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.models.tiny import tiny_config
from tools.robustness.small_pictures import photograph
from training.loop import Run
from training.loss import joint_loss
from training.run import build_model
from training.settings import PARTS, TrainSettings
from training.strategies import make_strategy

pytestmark = pytest.mark.usefixtures("eagerly")

SETTINGS = TrainSettings(steps=100, batch=2, patch=32, lambda2=1.0, lr=1e-3)


@pytest.fixture
def batch():
    x = tf.constant([photograph(i, 32, 32) for i in range(2)], tf.float32)
    return {"x": x, "label": tf.constant([1, -1], tf.int64)}


def start(folder, strategy=None, normalisation="gdn", **changes):
    settings = dataclasses.replace(SETTINGS, **changes)
    strategy = strategy or make_strategy("cpu")
    config = tiny_config(normalisation=normalisation)
    return Run(folder, build_model(config, settings, strategy, None), settings, strategy)


def weights(model):
    return {p: [v.numpy() for v in getattr(model, p).variables] for p in PARTS}


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_losses_are_those_of_the_weights_before_the_step(tmp_path, batch):
    run, twin = start(tmp_path, parts=PARTS[:3]), start(tmp_path, parts=PARTS[:3])
    losses = run.step(batch)
    seed = tf.constant([SETTINGS.seed, 0], tf.int64)
    out = twin.model(batch["x"], training=True, seed=seed, parts=PARTS[:3])
    expected = joint_loss(
        batch["x"], out.x_hat, out.bits, out.logits, batch["label"], 0.01, 1.0, 0.0
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_noise_is_new_in_every_step(tmp_path, batch):
    # Nothing else moves: neither weights nor the features' medians.
    run = start(tmp_path, prior_lr=0.0, parts=("prior",))
    rates = {float(run.step(batch).rate) for _ in range(3)}
    assert len(rates) == 3
    assert int(run.step.step) == 3


@pytest.mark.parametrize("parts", [PARTS, PARTS[:3], ("semantics",), ("reconstruction",)])
def test_exactly_the_learning_parts_change(tmp_path, batch, parts):
    run = start(tmp_path, normalisation="batch", parts=parts)
    before = weights(run.model)
    run.step(batch)
    after = weights(run.model)
    changed = {p for p in PARTS if not same(before[p], after[p])}
    assert changed == set(parts)


def test_steps_without_a_finite_gradient_are_counted_and_change_no_weight(tmp_path, batch, spoiled):
    run = start(tmp_path)
    trained = run.optimisers.variables_to_train
    before = [v.numpy() for v in trained]

    def counts():
        return [int(v) for v in (run.step.step, run.step.skipped, run.step.in_a_row)]

    for _ in range(2):
        assert np.isnan(run.step(batch).total)
    assert counts() == [2, 2, 2]
    assert same([v.numpy() for v in trained], before)
    spoiled.assign(1.0)
    assert np.isfinite(run.step(batch).total)
    assert counts() == [3, 2, 0]
    assert not same([v.numpy() for v in trained], before)
    spoiled.assign(np.inf)
    run.step(batch)
    assert counts() == [4, 3, 1]


@pytest.mark.parametrize("normalisation", ["batch", "gdn"])
def test_one_bad_batch_does_no_harm(tmp_path, batch, normalisation):
    run = start(tmp_path, normalisation=normalisation)
    run.step(batch | {"x": batch["x"] * np.nan})
    for variable in run.model.variables:
        assert np.isfinite(variable).all(), variable.name


def test_run_starts_under_a_mirrored_strategy(tmp_path):
    run = start(tmp_path, tf.distribute.MirroredStrategy(["/cpu:0"]))
    assert run.resume() == 0
