"""Eq. 3, 4 and 7 against the same in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from training.loss import joint_loss, semantic_loss

N, SIDE, CLASSES = 5, 6, 4


@pytest.fixture
def batch():
    """Arguments of `joint_loss` up to the labels; two of the five are unlabelled."""
    rng = np.random.default_rng(3)
    return {
        "x": rng.uniform(0, 255, (N, SIDE, SIDE, 3)).astype(np.float32),
        "x_hat": rng.uniform(-9, 270, (N, SIDE, SIDE, 3)).astype(np.float32),
        "bits": rng.uniform(10, 90, N).astype(np.float32),
        "logits": rng.normal(0, 3, (N, CLASSES)).astype(np.float32),
        "labels": np.array([2, -1, 0, 3, -1], np.int64),
    }


def by_hand(logits, labels, smoothing=0.0):
    """Cross entropy and accuracy of the labelled pictures."""
    entropies, right = [], []
    for row, label in zip(logits.astype(np.float64), labels, strict=True):
        if label >= 0:
            target = np.full(CLASSES, smoothing / CLASSES)
            target[label] += 1 - smoothing
            log_p = row - np.log(np.exp(row).sum())
            entropies.append(-(target * log_p).sum())
            right.append(row.argmax() == label)
    return np.mean(entropies), np.mean(right)


def test_joint_loss_is_equation_4(batch):
    losses = joint_loss(**batch, lambda1=0.02, lambda2=0.7)
    rate = batch["bits"].mean() / SIDE**2
    distortion = ((batch["x"].astype(np.float64) - batch["x_hat"]) ** 2).mean()
    semantic, accuracy = by_hand(batch["logits"], batch["labels"])
    expected = (rate + 0.02 * distortion + 0.7 * semantic, rate, distortion, semantic, accuracy)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_smoothing_spreads_labels_over_all_classes(batch, smoothing):
    found = semantic_loss(batch["logits"], batch["labels"], smoothing)
    np.testing.assert_allclose(
        found, by_hand(batch["logits"], batch["labels"], smoothing), rtol=1e-5
    )


def test_a_teacher_may_answer_in_place_of_labels(batch):
    answers = np.random.default_rng(4).dirichlet(np.ones(CLASSES), N).astype(np.float32)
    answers[0] = np.eye(CLASSES)[1]
    log_p = tf.nn.log_softmax(batch["logits"]).numpy()
    right = answers.argmax(1) == batch["logits"].argmax(1)
    loss, accuracy = semantic_loss(batch["logits"], answers)
    assert float(loss) == pytest.approx(-(answers * log_p).sum(1).mean(), rel=1e-5)
    assert float(accuracy) == pytest.approx(right.mean())
    alone = semantic_loss(batch["logits"][:1], answers[:1])
    labelled = semantic_loss(batch["logits"][:1], np.array([1]))
    np.testing.assert_allclose(alone, labelled, rtol=1e-6)


def test_unlabelled_pictures_count_for_rate_and_distortion_only(batch):
    before = joint_loss(**batch, lambda1=0.01, lambda2=1.0)
    batch["logits"][1] += [0, 9, 0, 0]
    masked = joint_loss(**batch, lambda1=0.01, lambda2=1.0)
    np.testing.assert_array_equal(masked, before)
    batch["bits"][1] += 36
    batch["x_hat"][4] += 300
    changed = joint_loss(**batch, lambda1=0.01, lambda2=1.0)
    assert float(changed.rate - before.rate) == pytest.approx(1 / N, rel=1e-4)
    assert changed.distortion > before.distortion
    assert changed.semantic == before.semantic


def test_unlabelled_pictures_give_the_logits_no_gradient(batch):
    logits = tf.Variable(batch["logits"])
    with tf.GradientTape() as tape:
        loss, _ = semantic_loss(logits, batch["labels"])
    gradient = tape.gradient(loss, logits).numpy()
    np.testing.assert_array_equal(np.any(gradient != 0, axis=1), batch["labels"] >= 0)


def test_batch_without_labels_has_no_semantic_loss(batch):
    batch["labels"][:] = -1
    losses = joint_loss(**batch, lambda1=0.01, lambda2=1.0)
    assert losses.semantic == 0
    assert losses.accuracy == 0
    np.testing.assert_allclose(losses.total, losses.rate + 0.01 * losses.distortion, rtol=1e-6)


def test_sure_logits_stay_finite():
    logits = tf.constant([[1e4, 0.0], [0.0, 1e4]])
    loss, accuracy = semantic_loss(logits, tf.constant([0, 0], tf.int64), 0.1)
    assert float(loss) == pytest.approx((500 + 9500) / 2, rel=1e-4)
    assert accuracy == 0.5
