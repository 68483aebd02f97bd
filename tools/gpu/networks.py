"""The networks of `models` and their rate term in PyTorch, for training on a GPU.

A machine with a GPU may have PyTorch and none of TensorFlow. The variables have the names and
shapes that model folders give them (`models.weights`), so that weights go either way as they
are; those of the rate term begin with `rate/`. Pictures and features are (N, H, W, channels).
`tests/tools/test_gpu.py` shows that losses and gradients are TensorFlow's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from deepsic.coding.interlace import PASSES, TAPS
from deepsic.graphs import BLOCK_SHARE

Weights = dict[str, torch.Tensor]

PEDESTAL, LEAST_BETA = 2.0**-36, 1e-6
SLOPE = 0.2
SHARPNESS = 4.0
SEEN_UNITS, SPATIAL_UNITS, PLACE_UNITS, PARAMETERS = 96, 96, 192, 5
LEAST_LOG_SCALE, LEAST_PROBABILITY, RESIDUAL_CLIP = -2.7, 2.0**-20, 8.0
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


def random_rate(form: Form, seed: int) -> dict[str, np.ndarray]:
    """A rate term that knows nothing yet, by the names of its variables."""
    rng, c, rates, passes = np.random.default_rng(seed), form.latents, form.gains, len(PASSES)

    def glorot(rows: int, columns: int) -> np.ndarray:
        limit = math.sqrt(6 / (rows + columns))
        return rng.uniform(-limit, limit, (rows, columns))

    made = {
        "seen_units": glorot(2 * c, SEEN_UNITS),
        "spatial_bias": np.zeros((passes, SPATIAL_UNITS)),
        "spatial_rate": np.zeros((rates, SPATIAL_UNITS)),
        "inner": glorot(SPATIAL_UNITS, PLACE_UNITS),
        "known": glorot(2 * c, PLACE_UNITS),
        "inner_bias": np.zeros((passes, PLACE_UNITS)),
        "outer": rng.normal(0, 1e-2, (PLACE_UNITS, c * PARAMETERS)),
        "direct": np.zeros((SPATIAL_UNITS, c * PARAMETERS)),
        "outer_bias": np.zeros((rates, PARAMETERS, c)),
        "pass_bias": np.zeros((passes, c * PARAMETERS)),
        "correction": np.zeros((c, c)),
        "log_spread": np.zeros((rates, c)),
    }
    for n, taps in enumerate(TAPS):
        if taps:
            made[f"spatial{n}"] = glorot(len(taps) * (SEEN_UNITS + 1), SPATIAL_UNITS)
            near = np.zeros((len(taps), c))
            near[:4] = 0.5 / min(len(taps), 4)
            made[f"predictor{n}"] = near
    return {f"rate/{name}": array for name, array in made.items()}


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


def reconstruct(
    w: Weights, form: Form, y_hat: torch.Tensor, rate_index: torch.Tensor
) -> torch.Tensor:
    """x_hat, 0–255, from dequantised features in steps."""
    gain = torch.exp(between(rate_index, form.gains) @ w["reconstruction/rate_gains/log_gain"])
    y = (y_hat + 0.5) / form.half * gain[:, None, None]
    for i in (4, 3, 2, 1):
        y = _up(w, f"reconstruction/up{i}", y, form.strides[i - 1])
        if i > 1:
            y = _gdn(w, f"reconstruction/norm{i}", y, inverse=True)
        if i == 4:
            y = _blocks(w, "reconstruction", form.decoder_blocks, y)
    return (y + 0.5) * 255.0


class Rate:
    """`models.context_rate`: what a form needs of constants, on a device."""

    def __init__(self, form: Form, device: str) -> None:
        c = form.latents
        self.form = form
        degree = np.floor(np.arange(PLACE_UNITS) * c / PLACE_UNITS)
        channel = np.arange(c)

        def constant(array: np.ndarray) -> torch.Tensor:
            return torch.tensor(array, dtype=torch.float32, device=device)

        self.sees = constant(np.tile(channel[:, None] < degree, (2, 1)))
        self.seen = constant(np.tile(degree[:, None] <= channel, (1, PARAMETERS)))
        self.before = constant(np.triu(np.ones((c, c)), 1))
        # The pass of each position, for maps of a size.
        self.numbers: dict[tuple[int, int], torch.Tensor] = {}
        # Where each pass's taps are in a 5×5 window of its lattice, from nearest to farthest.
        self.steps = [max(1, min(p.dy, p.dx) // 2) if p.dy == p.dx else p.dy // 2 for p in PASSES]
        self.places = [
            torch.tensor([(a // s + 2) * 5 + b // s + 2 for a, b in taps], device=device)
            for s, taps in zip(self.steps, TAPS, strict=True)
        ]

    def bits(self, w: Weights, y: torch.Tensor, rate_index: torch.Tensor) -> torch.Tensor:
        """Bits of each example, (N,), of features in steps."""
        weights = between(rate_index, self.form.gains)
        n, h, width, c = y.shape
        v = y + 0.5
        gain = torch.exp(-weights @ w["rate/log_spread"])[:, None, None]
        seen = torch.cat([v * gain, torch.log1p(v.abs())], -1)
        seen = functional.relu(seen @ w["rate/seen_units"])
        seen = torch.cat([seen, torch.ones_like(seen[..., :1])], -1)
        sums, residuals, numbers = [], [], []
        for number, p in enumerate(PASSES):
            rows, columns = p.shape(h, width)
            if not rows * columns:
                continue
            own = v[:, p.y :: p.dy, p.x :: p.dx]
            bias = w["rate/spatial_bias"][number]
            if TAPS[number]:
                taps = len(TAPS[number])
                spatial = w[f"rate/spatial{number}"].view(taps, SEEN_UNITS + 1, SPATIAL_UNITS)
                total = self._around(seen, number, spatial, rows, columns)
                guess = torch.diag_embed(w[f"rate/predictor{number}"])
                own = own - self._around(v, number, guess, rows, columns)
            else:
                total = torch.zeros((n, rows, columns, SPATIAL_UNITS), device=y.device)
            sums.append((total + bias).reshape(n, -1, SPATIAL_UNITS))
            residuals.append(own.reshape(n, -1, c))
            numbers += [number] * (rows * columns)
        if (h, width) not in self.numbers:
            self.numbers[h, width] = torch.tensor(numbers, device=y.device)
        each = self.numbers[h, width]
        units = torch.cat(sums, 1) + (weights @ w["rate/spatial_rate"])[:, None]
        return self._bits(w, functional.relu(units), torch.cat(residuals, 1), weights, each)

    def _around(self, x, number: int, kernel, rows: int, columns: int) -> torch.Tensor:
        """Sums over the known neighbours at each position of a pass, (N, rows, columns, …)."""
        p, s = PASSES[number], self.steps[number]
        window = torch.zeros((25, *kernel.shape[1:]), device=x.device)
        window = window.index_copy(0, self.places[number], kernel)
        window = window.view(5, 5, *kernel.shape[1:]).permute(3, 2, 0, 1)
        dy, dx, top, left = p.dy // s, p.dx // s, p.y // s, p.x // s
        x = x[:, ::s, ::s].permute(0, 3, 1, 2)
        # Rows and columns that are read, from two before the first position to two behind the last.
        bottom = top + (rows - 1) * dy + 3 - x.shape[2]
        right = left + (columns - 1) * dx + 3 - x.shape[3]
        x = functional.pad(x, (2 - left, right, 2 - top, bottom))
        return functional.conv2d(x, window, stride=(dy, dx)).permute(0, 2, 3, 1)

    def _bits(self, w: Weights, units, residual, weights, number) -> torch.Tensor:
        clipped = residual.clamp(-RESIDUAL_CLIP, RESIDUAL_CLIP) / 2
        here = torch.cat([clipped, torch.log1p(residual.abs())], -1)
        place = units @ w["rate/inner"] + here @ (w["rate/known"] * self.sees)
        place = place + w["rate/inner_bias"][number]
        out = functional.relu(place) @ (w["rate/outer"] * self.seen) + units @ w["rate/direct"]
        out = out + (weights @ w["rate/outer_bias"].flatten(1))[:, None]
        out = out + w["rate/pass_bias"][number]
        shift, scale1, scale2, weight, distance = out.chunk(PARAMETERS, -1)
        residual = residual - residual @ (w["rate/correction"] * self.before) - shift
        first, second = _mass(residual, scale1), _mass(residual - distance, scale2)
        p = second + torch.sigmoid(weight) * (first - second)
        return torch.log(p + LEAST_PROBABILITY).sum((1, 2)) / -math.log(2.0)


def _mass(x: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    """Mass of a logistic density in the bin of one step around x."""
    inverse = torch.exp(-log_scale.clamp(LEAST_LOG_SCALE, 6.0))
    left = -x.abs()
    return torch.sigmoid((left + 0.5) * inverse) - torch.sigmoid((left - 0.5) * inverse)
