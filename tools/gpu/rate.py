"""`models.context_rate` in PyTorch: bits of features under densities that know contexts.

Its variables begin with `rate/`; it has no part in a model's folder.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from deepsic.coding.interlace import PASSES, TAPS
from tools.gpu import networks

SEEN_UNITS, SPATIAL_UNITS, PLACE_UNITS, PARAMETERS = 96, 96, 192, 5
LEAST_LOG_SCALE, LEAST_PROBABILITY, RESIDUAL_CLIP = -2.7, 2.0**-20, 8.0


def random_rate(form: networks.Form, seed: int) -> dict[str, np.ndarray]:
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


class Rate:
    """`models.context_rate`: what a form needs of constants, on a device."""

    def __init__(self, form: networks.Form, device: str) -> None:
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

    def bits(self, w: networks.Weights, y: torch.Tensor, rate_index: torch.Tensor) -> torch.Tensor:
        """Bits of each example, (N,), of features in steps."""
        weights = networks.between(rate_index, self.form.gains)
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

    def _bits(self, w: networks.Weights, units, residual, weights, number) -> torch.Tensor:
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
