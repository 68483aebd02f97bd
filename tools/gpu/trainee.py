"""One model in training on a GPU: its weights, Adam with averages, and a recorded step."""

from __future__ import annotations

import dataclasses
import math
import pathlib

import numpy as np
import torch

from tools.gpu import files, networks, rate
from tools.gpu.networks import Form

# Adam's, the norm that gradients are clipped to, and the momentum of the averages.
BETAS, EPSILON, CLIP, EMA = (0.9, 0.999), 1e-7, 1.0, 0.999
# How far the medians move in a step, as behind gains in `models.features`.
MEDIAN_RATE = 0.002
# How far above the best one the loss of a window may be.
SPIKE = 1.3
# Pictures that the rate term's start is measured on.
START = 64


@dataclasses.dataclass(frozen=True)
class Options:
    """What all models of a run share.

    Attributes:
      batch: patches in a step.
      patch: their side, pixels.
      seed: of what begins at random.
      device: `cuda` or `cpu`.
    """

    batch: int
    patch: int
    seed: int
    device: str


class Trainee:
    """A model that learns.

    Args:
      path: of its start, from `tools.gpu.exchange start`.
      options: of the run.
      tiles: uint8 (tiles, side, side, 3), on the device.

    Attributes:
      name, lr: of the model, and its highest learning rate.
      steps: taken since `begin`.
    """

    def __init__(self, path: str, options: Options, tiles: torch.Tensor) -> None:
        about, arrays = files.read(path)
        self.name, self.lambdas, self.lr = about["name"], about["lambda1"], about["lr"]
        self.form, self.options, self.tiles = Form(**about["form"]), options, tiles
        new = networks.random_blocks(self.form, options.seed)
        new |= rate.random_rate(self.form, options.seed)
        self.w = {
            name: torch.tensor(np.asarray(a), dtype=torch.float32, device=options.device)
            for name, a in (new | arrays).items()
        }
        self.rate = rate.Rate(self.form, options.device)
        still = (*networks.STATISTICS, *networks.STILL)
        names = [name for name in self.w if name not in still]
        of_rate = [self.w[name] for name in names if name.startswith("rate/")]
        self.learns = [self.w[name] for name in names if not name.startswith("rate/")] + of_rate
        self.of_networks = len(self.learns) - len(of_rate)
        for p in self.learns:
            p.requires_grad_()
        self.first = [torch.zeros_like(p) for p in self.learns]
        self.second = [torch.zeros_like(p) for p in self.learns]
        self.averaged = [*self.learns, self.w["features/centre/median"]]
        self.averages = [p.detach().clone() for p in self.averaged]
        # Learning rates of the networks and of the rate term, with Adam's correction.
        self.alphas = [torch.zeros((), device=options.device) for _ in range(2)]
        self.sums = torch.zeros(4, device=options.device)
        self.graph: torch.cuda.CUDAGraph | None = None

    @property
    def state(self) -> list[torch.Tensor]:
        """All that a step changes."""
        return [*self.averaged, *self.first, *self.second, *self.averages]

    @torch.no_grad()
    def restore(self, state: list[torch.Tensor]) -> None:
        """Sets everything to an earlier `state`."""
        for tensor, old in zip(self.state, state, strict=True):
            tensor.copy_(old)

    @torch.no_grad()
    def start_rate(self) -> None:
        """Begins with densities as wide as the channels are at each rate."""
        spreads = []
        for i in range(self.form.gains):
            index = torch.full((START,), float(i), device=self.options.device)
            z = networks.centred(self.w, self.form, self._patches(START))
            spreads.append(networks.to_steps(self.w, self.form, z, index).std((0, 1, 2)))
        spread = torch.stack(spreads)
        self.w["rate/log_spread"].copy_(torch.log(torch.clamp(spread / 2, min=1.0)))
        wide = torch.log(torch.clamp(spread, min=0.2) * 0.55)
        self.w["rate/outer_bias"][:, 1] = wide - 0.7
        self.w["rate/outer_bias"][:, 2] = wide + 0.3

    def begin(self, with_networks: bool) -> None:
        """Records a step, which then runs without Python; nothing is learnt from that.

        Args:
          with_networks: whether the networks learn; else the rate term does alone.
        """
        self.with_networks, self.steps = with_networks, 0
        self.factor, self.best = 1.0, math.inf
        self.curve: list[dict[str, float]] = []
        self.kept: list[torch.Tensor] = []
        with torch.no_grad():
            for average, p in zip(self.averages, self.averaged, strict=True):
                average.copy_(p)
        if self.options.device == "cpu":
            return
        before = [t.detach().clone() for t in self.state]
        self.stream = torch.cuda.Stream()
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for _ in range(3):  # cuDNN chooses its algorithms
                self._step()
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self._step()
        torch.cuda.synchronize()
        self.restore(before)
        self.sums.zero_()
        torch.cuda.synchronize()

    def step(self, fall: float, rate_lr: float) -> None:
        """One step.

        Args:
          fall: share of the networks' highest learning rate.
          rate_lr: learning rate of the rate term.
        """
        self.steps += 1
        bias = math.sqrt(1 - BETAS[1] ** self.steps) / (1 - BETAS[0] ** self.steps)
        rates = [self.lr * fall * self.factor * bias, rate_lr * self.factor * bias]
        if self.graph is None:
            self._set(rates)
            self._step()
        else:
            with torch.cuda.stream(self.stream):
                self._set(rates)
                self.graph.replay()

    def look(self, count: int, seconds: float) -> str:
        """Ends a window of `count` steps: keeps what they reached, or takes them back.

        Args:
          count: steps in the window.
          seconds: since the start, for the curve.
        """
        loss, bpp, mse, norm = (self.sums / count).tolist()
        self.sums.zero_()
        is_bad = not loss < SPIKE * self.best
        if is_bad and self.kept:
            self.restore(self.kept)
            self.factor *= 0.5
        else:
            self.best = min(self.best, loss)
            self.kept = [t.detach().clone() for t in self.state]
        told = {"seconds": seconds, "step": self.steps, "loss": loss, "bpp": bpp, "mse": mse}
        self.curve.append(told)
        end = f", taken back, learning rate x {self.factor}" if is_bad else ""
        return f"{self.name} {loss:.4f} {bpp:.4f} bpp {mse:.2f} norm {norm:.2f}{end}"

    def write(self, folder: pathlib.Path) -> None:
        """Writes the averages of the weights, and how they came about."""
        names = {id(t): name for name, t in self.w.items()}
        arrays = {name: t.detach().cpu().numpy() for name, t in self.w.items()}
        for tensor, average in zip(self.averaged, self.averages, strict=True):
            arrays[names[id(tensor)]] = average.cpu().numpy()
        about = {
            "name": self.name,
            "form": self.form._asdict(),
            "lambda1": self.lambdas,
            "lr": self.lr,
            "steps": self.steps,
            "batch": self.options.batch,
            "patch": self.options.patch,
            "curve": self.curve,
        }
        files.write(folder / f"{self.name}.npz", about, arrays)

    def _set(self, rates: list[float]) -> None:
        for alpha, lr in zip(self.alphas, rates, strict=True):
            alpha.fill_(lr)

    def _patches(self, count: int) -> torch.Tensor:
        """Random crops, half of them flipped, float32 (N, side, side, 3)."""
        side, device = self.options.patch, self.options.device
        room = self.tiles.shape[1] - side + 1
        tile = torch.randint(len(self.tiles), (count,), device=device)
        top, left = torch.randint(room, (2, count), device=device)
        along = torch.arange(side, device=device)
        flip = torch.rand((count, 1), device=device) < 0.5
        rows = top[:, None] + along
        columns = left[:, None] + torch.where(flip, side - 1 - along, along)
        return self.tiles[tile[:, None, None], rows[:, :, None], columns[:, None]].float()

    def _step(self) -> None:
        """`training.step` and `training.rates`, with soft rounding and straight-through symbols."""
        n, device = self.options.batch, self.options.device
        x = self._patches(n)
        place = (torch.arange(n, device=device) + torch.rand(n, device=device)) / n
        index = place * (self.form.gains - 1)
        low, high = map(math.log, self.lambdas)
        log_lambda = low + place * (high - low)
        weights = torch.exp((low + high) / 4 - log_lambda / 2)
        with torch.set_grad_enabled(self.with_networks):
            median_rate = MEDIAN_RATE if self.with_networks else 0.0
            z = networks.centred(self.w, self.form, x, median_rate)
            y = networks.to_steps(self.w, self.form, z, index)
            y_hat = networks.quantised(y, self.form)
            x_hat = networks.reconstruct(self.w, self.form, y_hat, index)
            noisy = networks.round_softly(y) + (torch.rand_like(y) - 0.5)
        bpp = self.rate.bits(self.w, noisy, index) / self.options.patch**2
        mse = ((x - x_hat) ** 2).mean((1, 2, 3))
        loss = ((bpp + torch.exp(log_lambda) * mse) * weights).mean()
        first = 0 if self.with_networks else self.of_networks
        gradients = list(torch.autograd.grad(loss, self.learns[first:]))
        with torch.no_grad():
            norm = torch.stack(torch._foreach_norm(gradients)).norm()
            torch._foreach_mul_(gradients, torch.clamp(CLIP / norm, max=1.0))
            self._adam(gradients, first)
            self.sums += torch.stack([loss, bpp.mean(), mse.mean(), norm])

    def _adam(self, gradients: list[torch.Tensor], start: int) -> None:
        """Adam as Keras has it, on all tensors from `start` on, and the averages of all."""
        first, second = self.first[start:], self.second[start:]
        torch._foreach_lerp_(first, gradients, 1 - BETAS[0])
        torch._foreach_mul_(second, BETAS[1])
        torch._foreach_addcmul_(second, gradients, gradients, 1 - BETAS[1])
        scale = torch._foreach_sqrt(second)
        torch._foreach_add_(scale, EPSILON)
        moves = torch._foreach_div(first, scale)
        of_networks = self.of_networks - start
        if of_networks:
            torch._foreach_mul_(moves[:of_networks], self.alphas[0])
        torch._foreach_mul_(moves[of_networks:], self.alphas[1])
        torch._foreach_sub_(self.learns[start:], moves)
        torch._foreach_lerp_(self.averages, self.averaged, 1 - EMA)
