"""The gradient of the squared error with respect to what the decoder is fed with.

The encoder refines symbols along it (`deepsic.refine`). It is written out, layer by layer
backwards, in operations that run forwards everywhere: the gradient of a plain convolution is
the convolution with the kernel turned round, that of `depth_to_space` is `space_to_depth`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from deepsic import graphs
from models.features import PIXEL_SCALE, ResidualBlock
from models.normalisation import GDN
from models.reconstruction import Reconstruction, UpStage

# From the gradient behind a layer to the one before it.
Backward = Callable[[tf.Tensor], tf.Tensor]
Layer = Callable[[tf.Tensor], tuple[tf.Tensor, Backward]]


def squared_error_gradient(decoder: Reconstruction, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """d/dy of the sum of (clip(x_hat) - x)², float32, shaped like y.

    Args:
      decoder: with GDN and plain strides.
      y: float32 (N, h, w, latents), what the first stage sees, behind the gains.
      x: float32 (N, h·stride, w·stride, 3) in 0–255.
    """
    with tf.init_scope():  # weights are constants, in a graph too
        layers = list(_layers(decoder))
    steps: list[Backward] = []
    z = y
    for layer in layers:
        z, back = layer(z)
        steps.append(back)
    x_hat = (z + 0.5) * PIXEL_SCALE
    inside = tf.cast((x_hat >= 0.0) & (x_hat <= 255.0), tf.float32)
    d = 2.0 * PIXEL_SCALE * inside * (x_hat - x)
    for back in reversed(steps):
        d = back(d)
    return d


def _layers(decoder: Reconstruction) -> Iterator[Layer]:
    for i, stage in enumerate(decoder.stages):
        yield _stage(stage)
        if i < len(decoder.norms):
            yield _norm(decoder.norms[i])
        for block in decoder.blocks if i == 0 else ():
            yield _block(block)


def _convolve(x: tf.Tensor, kernel: np.ndarray) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def _stage(stage: UpStage) -> Layer:
    s = stage.stride
    kernel = graphs.subpixel(stage.deconv.kernel.numpy(), s)
    bias = np.tile(stage.deconv.bias.numpy(), s * s)
    gain = stage.gain.gain.numpy()
    project = None if stage.project is None else stage.project.kernel.numpy()

    def back(d: tf.Tensor) -> tf.Tensor:
        plain = gain * (_shrink(d, s) if s > 1 else d)
        if project is not None:
            plain = _convolve(plain, graphs.turned(project))
        return _convolve(tf.nn.space_to_depth(d, s) if s > 1 else d, graphs.turned(kernel)) + plain

    def forth(x: tf.Tensor) -> tuple[tf.Tensor, Backward]:
        y = _convolve(x, kernel) + bias
        plain = gain * (x if project is None else _convolve(x, project))
        if s > 1:
            y = tf.nn.depth_to_space(y, s)
            plain = tf.image.resize(plain, tf.shape(x)[1:3] * s, method="bilinear")
        return y + plain, back

    return forth


def _shrink(d: tf.Tensor, stride: int) -> tf.Tensor:
    """The transpose of bilinear interpolation to `stride` times the size."""
    ramp = (np.arange(stride) + 0.5) / stride
    weights = np.concatenate([ramp, ramp[::-1]]).astype(np.float32)
    kernel = np.tile(np.outer(weights, weights)[..., None, None], (1, 1, d.shape[-1], 1))
    # Interpolation repeats the pixels at the edge; its transpose adds up what they gave.
    half = [stride // 2, stride // 2]
    d = tf.pad(d, [[0, 0], half, half, [0, 0]], "SYMMETRIC")
    return tf.nn.depthwise_conv2d(d, kernel, (1, stride, stride, 1), "VALID")


def _norm(norm: GDN) -> Layer:
    gamma, beta = (p.numpy() for p in norm.parameters())

    def forth(x: tf.Tensor) -> tuple[tf.Tensor, Backward]:
        size = _convolve(tf.abs(x), gamma[None, None]) + beta

        def back(d: tf.Tensor) -> tf.Tensor:
            return d * size + tf.sign(x) * _convolve(d * x, gamma.T[None, None])

        return x * size, back

    return forth


def _block(block: ResidualBlock) -> Layer:
    first, second = (layer.kernel.numpy() for layer in (block.first, block.second))
    bias = block.first.bias.numpy(), block.second.bias.numpy()

    def forth(x: tf.Tensor) -> tuple[tf.Tensor, Backward]:
        inner = _convolve(x, first) + bias[0]
        y = _convolve(tf.nn.leaky_relu(inner, block.SLOPE), second) + bias[1]

        def back(d: tf.Tensor) -> tf.Tensor:
            slope = tf.where(inner > 0, 1.0, block.SLOPE)
            inner_d = slope * _convolve(block.SHARE * d, graphs.turned(second))
            return d + _convolve(inner_d, graphs.turned(first))

        return x + block.SHARE * y, back

    return forth
