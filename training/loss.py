"""The joint loss (section III-E, eq. 3, 4 and 7): L = R + λ1·D + λ2·L_sem."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from models import replicas
from models.deepsic import DeepSIC
from models.pretrained import PretrainedHead

UNLABELLED = -1


class Losses(NamedTuple):
    """Scalars of one batch.

    Attributes:
      total: eq. 4.
      rate: R, bits per pixel (eq. 6).
      distortion: D, mean squared error on the 0–255 scale (eq. 7).
      semantic: L_sem, cross entropy in nats over the labelled pictures (eq. 3).
      accuracy: share of the labelled pictures whose top class is right, or is the teacher's.
    """

    total: tf.Tensor
    rate: tf.Tensor
    distortion: tf.Tensor
    semantic: tf.Tensor
    accuracy: tf.Tensor


def truth_of(model: DeepSIC, x: tf.Tensor, labels: tf.Tensor, learns: bool = True) -> tf.Tensor:
    """What L_sem compares the head's logits with.

    Args:
      model: whose head says what it is: with a pretrained one, the answers of its own network
        on the originals.
      x: float32 (N, H, W, 3) in 0–255.
      labels: int (N,), which are returned for other heads.
      learns: whether L_sem counts; where it does not, no network is asked.

    Returns:
      Labels, or probabilities, float32 (N, classes).
    """
    if learns and isinstance(model.semantics, PretrainedHead):
        return model.semantics.answers(x)
    return labels


def semantic_loss(
    logits: tf.Tensor, labels: tf.Tensor, smoothing: float = 0.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cross entropy (what eq. 3 means) and accuracy, over labelled pictures only.

    Args:
      logits: float32 (N, classes).
      labels: int (N,), UNLABELLED where nothing is known, or a teacher's probabilities,
        float32 (N, classes).
      smoothing: share of each label that is spread evenly over all classes.

    Returns:
      Mean cross entropy in nats and mean accuracy; both 0 if nothing is labelled. Of
      replicas that share a batch each gets its part, and the mean of these is the batch's.
    """
    labels, log_p = tf.convert_to_tensor(labels), tf.nn.log_softmax(logits)
    if labels.dtype.is_floating:
        known = tf.ones(tf.shape(labels)[0])
        safe = tf.argmax(labels, -1, output_type=tf.int32)
        entropy = -tf.reduce_sum(labels * log_p, axis=1) * (1.0 - smoothing)
    else:
        known = tf.cast(labels != UNLABELLED, tf.float32)
        safe = tf.maximum(tf.cast(labels, tf.int32), 0)
        entropy = -tf.gather(log_p, safe, axis=1, batch_dims=1) * (1.0 - smoothing)
    entropy -= tf.reduce_mean(log_p, axis=1) * smoothing
    right = tf.cast(tf.argmax(logits, -1, output_type=tf.int32) == safe, tf.float32)
    # Replicas can have more or fewer of the labelled pictures.
    count = tf.maximum(replicas.total(tf.reduce_sum(known)), 1.0) / replicas.count()
    return tf.reduce_sum(entropy * known) / count, tf.reduce_sum(right * known) / count


def joint_loss(
    x: tf.Tensor,
    x_hat: tf.Tensor,
    bits: tf.Tensor,
    logits: tf.Tensor,
    labels: tf.Tensor,
    lambda1: float | tf.Tensor,
    lambda2: float | tf.Tensor,
    smoothing: float = 0.0,
    weights: tf.Tensor | None = None,
) -> Losses:
    """Eq. 4 on one batch.

    Args:
      x, x_hat: float32 (N, H, W, 3) in 0–255.
      bits: float32 (N,), of each picture's features.
      logits, labels, smoothing: see `semantic_loss`.
      lambda1: weight of D, bits per pixel for one squared grey level; one for all pictures,
        or float32 (N,).
      lambda2: weight of L_sem, bits per pixel for one nat.
      weights: float32 (N,), of each picture's R + λ1·D; ones if None.
    """
    pixels = tf.cast(tf.shape(x)[1] * tf.shape(x)[2], tf.float32)
    rate = bits / pixels
    distortion = tf.reduce_mean(tf.math.squared_difference(x, x_hat), axis=(1, 2, 3))
    cost = rate + lambda1 * distortion
    if weights is not None:
        cost *= weights
    semantic, accuracy = semantic_loss(logits, labels, smoothing)
    total = tf.reduce_mean(cost) + lambda2 * semantic
    return Losses(total, tf.reduce_mean(rate), tf.reduce_mean(distortion), semantic, accuracy)
