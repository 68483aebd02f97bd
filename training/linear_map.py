"""The linear map from features to pixels, solved by least squares (`deepsic.pretrained`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

# Of the mean square of the inputs; features are small beside the constant.
RIDGE = 1e-6
_FEATURE_GAIN = 20.0
_MIDDLE = 127.0


def solve(
    features: Callable[[tf.Tensor], tf.Tensor],
    batches: Iterable[np.ndarray],
    stride: int,
    side: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The convolution that comes nearest to pictures.

    Args:
      features: float32 (N, H, W, 3) in 0–255 to (N, h, w, inputs) of the map.
      batches: of pictures, uint8 (N, H, W, 3), sides multiples of the stride.
      stride: pixels of the picture per feature, along one side.
      side: of the convolution's kernel, features.

    Returns:
      kernel, float32 (side, side, inputs, 3·stride²), and bias, float32 (3·stride²,).
    """

    @tf.function(autograph=False, reduce_retracing=True)
    def sums(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.cast(x, tf.float32)
        f = features(x)
        patches = tf.image.extract_patches(
            f * _FEATURE_GAIN, (1, side, side, 1), (1, 1, 1, 1), (1, 1, 1, 1), "SAME"
        )
        a = tf.reshape(patches, (-1, side**2 * f.shape[-1]))
        a = tf.concat([a, tf.ones_like(a[:, :1])], axis=1)
        b = tf.reshape(tf.nn.space_to_depth(x - _MIDDLE, stride), (-1, 3 * stride**2))
        return tf.matmul(a, a, transpose_a=True), tf.matmul(a, b, transpose_a=True)

    left, right = np.zeros(()), np.zeros(())
    for x in batches:
        more_left, more_right = sums(tf.constant(x))
        left, right = left + more_left.numpy().astype(float), right + more_right.numpy()
    ridge = RIDGE * np.trace(left) / len(left)
    solution = np.linalg.solve(left + ridge * np.eye(len(left)), right)
    kernel = _FEATURE_GAIN * solution[:-1].reshape(side, side, -1, 3 * stride**2)
    return kernel.astype(np.float32), (solution[-1] + _MIDDLE).astype(np.float32)
