"""The networks of `models` in PyTorch, for training on a GPU.

A machine with a GPU may have PyTorch and none of TensorFlow. The variables have the names and
shapes that model folders give them (`models.weights`), so that weights go either way as they
are; those of the rate term begin with `rate/`. Pictures and features are (N, H, W, channels).
`tests/tools/test_gpu.py` shows that losses and gradients are TensorFlow's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from deepsic.graphs import BLOCK_SHARE

Weights = dict[str, torch.Tensor]

PEDESTAL, LEAST_BETA = 2.0**-36, 1e-6
SLOPE = 0.2
SHARPNESS = 4.0
# What moves without a gradient, or not at all.
STATISTICS = ("features/centre/median", "rate/log_spread")
STILL = ("features/conv4/bias",)


class Form(NamedTuple):
    """What of a model's configuration its networks are made by; see `deepsic.config`."""

    latents: int
    strides: tuple[int, ...]
    kernels: tuple[int, ...]
    bits: int
    gains: int
    filters: int
    blocks: int
    decoder_blocks: int

    @property
    def half(self) -> float:
        """Steps in a feature of size 1."""
        return float(1 << (self.bits - 1))


def random_blocks(form: Form, seed: int) -> dict[str, np.ndarray]:
    """Residual blocks that do nothing yet, by their names."""
    rng, f = np.random.default_rng(seed), form.filters
    half, made = max(1, f // 2), {}
    limit = math.sqrt(6 / (9 * (f + half)))
    for part, count in (("features", form.blocks), ("reconstruction", form.decoder_blocks)):
        for i in range(1, count + 1):
            name = f"{part}/block{i}"
            made[f"{name}/first/kernel"] = rng.uniform(-limit, limit, (3, 3, f, half))
            made[f"{name}/first/bias"] = np.zeros(half)
            made[f"{name}/second/kernel"] = np.zeros((3, 3, half, f))
            made[f"{name}/second/bias"] = np.zeros(f)
    return made


def between(rate_index: torch.Tensor, rates: int) -> torch.Tensor:
    """Weights of linear interpolation, (N, rates), at the points `rate_index`, (N,)."""
    low = torch.clamp(torch.floor(rate_index), 0.0, max(0.0, rates - 2.0))
    share, low = (rate_index - low)[:, None], low.long()
    eye = torch.eye(rates + 1, rates, device=rate_index.device)
    return (1.0 - share) * eye[low] + share * eye[low + 1]


class _AtLeast(torch.autograd.Function):
    """max(x, bound), whose gradient still pulls x up where x is below the bound."""

    @staticmethod
    def forward(ctx, x, bound):
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return torch.where((x >= ctx.bound) | (dy < 0), dy, 0.0), None


def _gdn(w: Weights, name: str, x: torch.Tensor, inverse: bool) -> torch.Tensor:
    gamma = _AtLeast.apply(w[f"{name}/reparam_gamma"], PEDESTAL**0.5) ** 2 - PEDESTAL
    least = (LEAST_BETA + PEDESTAL) ** 0.5
    beta = _AtLeast.apply(w[f"{name}/reparam_beta"], least) ** 2 - PEDESTAL
    flat = x.reshape(-1, x.shape[-1])
    norm = torch.addmm(beta, flat.abs(), gamma).view(x.shape)
    return x * norm if inverse else x / norm


def _conv(w: Weights, name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """A convolution with TensorFlow's padding."""
    kernel = w[f"{name}/kernel"]
    pad = kernel.shape[0] - stride
    y = x.permute(0, 3, 1, 2)
    if pad % 2:
        y, even = functional.pad(y, (pad // 2, pad - pad // 2) * 2), 0
    else:
        even = pad // 2
    bias = w.get(f"{name}/bias")
    return functional.conv2d(y, kernel.permute(3, 2, 0, 1), bias, stride, even).permute(0, 2, 3, 1)


def _up(w: Weights, name: str, x: torch.Tensor, stride: int) -> torch.Tensor:
    """One stage of the decoder: deconvolution plus interpolation."""
    plain = x.permute(0, 3, 1, 2)
    kernel = w[f"{name}/deconv/kernel"].permute(3, 2, 0, 1)
    before = (kernel.shape[-1] - stride) // 2
    size = (x.shape[1] * stride, x.shape[2] * stride)
    y = functional.conv_transpose2d(plain, kernel, w[f"{name}/deconv/bias"], stride, padding=before)
    y = y[:, :, : size[0], : size[1]]
    project = w.get(f"{name}/project/kernel")
    if project is not None:
        plain = functional.conv2d(plain, project.permute(3, 2, 0, 1))
    plain = plain * w[f"{name}/gain/gain"]
    if stride > 1:
        plain = functional.interpolate(plain, size, mode="bilinear", align_corners=False)
    return (y + plain).permute(0, 2, 3, 1)


def _blocks(w: Weights, part: str, count: int, y: torch.Tensor) -> torch.Tensor:
    for i in range(1, count + 1):
        inner = functional.leaky_relu(_conv(w, f"{part}/block{i}/first", y), SLOPE)
        y = y + BLOCK_SHARE * _conv(w, f"{part}/block{i}/second", inner)
    return y


class _IgnoreShifts(torch.autograd.Function):
    """Leaves out the part of the gradient that would shift a whole channel."""

    @staticmethod
    def forward(ctx, z):
        return z.view_as(z)

    @staticmethod
    def backward(ctx, dz):
        return dz - dz.mean((0, 1, 2))


def centred(w: Weights, form: Form, x: torch.Tensor, median_rate: float = 0.0) -> torch.Tensor:
    """What the gains and the bound make f(x) of; moves the medians if it has a rate to do so."""
    y, outputs = x / 255.0 - 0.5, []
    for i in range(4):
        if i:
            y = outputs[-1]
            for j in range(i - 1):
                factor = math.prod(form.strides[j + 1 : i])
                earlier = outputs[j].permute(0, 3, 1, 2)
                if factor > 1:
                    earlier = functional.avg_pool2d(earlier, factor)
                y = y + earlier.permute(0, 2, 3, 1) * w[f"features/gain{j + 1}to{i + 1}/gain"]
        if i == 3:
            y = _blocks(w, "features", form.blocks, y)
        y = _conv(w, f"features/conv{i + 1}", y, form.strides[i])
        if i < 3:
            y = _gdn(w, f"features/norm{i + 1}", y, inverse=False)
        outputs.append(y)
    median = w["features/centre/median"]
    if median_rate:
        with torch.no_grad():
            usual = torch.exp(w["features/rate_gains/log_gain"].mean(0))
            balance = torch.sign(y - median).mean((0, 1, 2))
            median += median_rate / form.half / usual * balance
        y = _IgnoreShifts.apply(y)
    return y - median


def to_steps(w: Weights, form: Form, z: torch.Tensor, rate_index: torch.Tensor) -> torch.Tensor:
    """y, features in quantiser steps, from what `centred` returns."""
    gain = torch.exp(between(rate_index, form.gains) @ w["features/rate_gains/log_gain"])
    z = (z * gain[:, None, None] - 0.5 / form.half).clamp(-1e4, 1e4)
    limit = 1.0 - 0.25 / form.half
    return form.half * limit * z * torch.rsqrt(torch.sqrt(1.0 + (z * z) ** 2))


def quantised(y: torch.Tensor, form: Form) -> torch.Tensor:
    """Q⁻¹(Q(y)) with the gradient of the identity."""
    q = torch.clamp(torch.ceil(y), 1 - form.half, form.half) - 0.5
    return y + (q - y).detach()


def round_softly(y: torch.Tensor) -> torch.Tensor:
    """Moves y towards the middle of its bin, smoothly."""
    edge = torch.floor(y + 0.5)
    return edge + 0.5 / math.tanh(SHARPNESS / 2) * torch.tanh(SHARPNESS * (y - edge))


def unscaled(w: Weights, form: Form, y_hat: torch.Tensor, rate_index: torch.Tensor) -> torch.Tensor:
    """Dequantised features behind the inverse gains, from features in steps."""
    gain = torch.exp(between(rate_index, form.gains) @ w["reconstruction/rate_gains/log_gain"])
    return (y_hat + 0.5) / form.half * gain[:, None, None]


def reconstruct(
    w: Weights, form: Form, y_hat: torch.Tensor, rate_index: torch.Tensor
) -> torch.Tensor:
    """x_hat, 0–255, from dequantised features in steps."""
    y = _stages(w, form, unscaled(w, form, y_hat, rate_index), (4, 3, 2, 1))
    return (y + 0.5) * 255.0


def decode_first(w: Weights, form: Form, y: torch.Tensor) -> torch.Tensor:
    """What the decoder's first stages, those of stride 1, make of `unscaled` features."""
    first = []
    for i in (4, 3, 2, 1):
        if form.strides[i - 1] > 1:
            break
        first.append(i)
    return _stages(w, form, y, first)


def _stages(w: Weights, form: Form, y: torch.Tensor, numbers: Iterable[int]) -> torch.Tensor:
    for i in numbers:
        y = _up(w, f"reconstruction/up{i}", y, form.strides[i - 1])
        if i > 1:
            y = _gdn(w, f"reconstruction/norm{i}", y, inverse=True)
        if i == 4:
            y = _blocks(w, "reconstruction", form.decoder_blocks, y)
    return y
