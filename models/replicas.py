"""What the replicas of a model tell each other, so that they act as one on the global batch.

A replica sees its share of every batch. What is measured on a batch, and what is drawn for
it, belongs to the whole one. Where there is one replica, nothing is sent.
"""

from __future__ import annotations

import tensorflow as tf

# For variables that every replica would change alike: each keeps a copy, which can be read
# and saved without asking the others.
ALIKE = {
    "synchronization": tf.VariableSynchronization.ON_WRITE,
    "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
}


def count() -> int:
    """How many replicas run this step; 1 outside of steps."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def mean(x: tf.Tensor) -> tf.Tensor:
    """The mean of every replica's x, which has one shape on all."""
    return _reduce(tf.distribute.ReduceOp.MEAN, x)


def total(x):
    """The sum of every replica's x, a tensor or a list of tensors."""
    return _reduce(tf.distribute.ReduceOp.SUM, x)


def _reduce(how, x):
    if count() == 1:
        return x
    return tf.distribute.get_replica_context().all_reduce(how, x)


def own_rows(x: tf.Tensor) -> tf.Tensor:
    """This replica's share of something that has a row for each picture of the global batch.

    Args:
      x: (N·count(), …).

    Returns:
      (N, …), in the order in which the replicas share the batch.
    """
    if count() == 1:
        return x
    shape = tf.shape(x)
    parts = tf.reshape(x, tf.concat([[count(), shape[0] // count()], shape[1:]], axis=0))
    return parts[tf.distribute.get_replica_context().replica_id_in_sync_group]


def all_rows(shape: tf.Tensor) -> tf.Tensor:
    """The shape of something of the global batch, int (rank,), from that of one replica's share."""
    return shape if count() == 1 else tf.concat([shape[:1] * count(), shape[1:]], axis=0)
