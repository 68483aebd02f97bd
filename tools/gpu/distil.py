"""The pretrained head of a `post` model in PyTorch, and how it learns (`training.distil`)."""

from __future__ import annotations

import pathlib

import numpy as np
import torch
from torch.nn import functional

from deepsic.pretrained import BIAS, KERNEL
from tools.gpu import files, networks
from tools.gpu.efficientnet import Network, resize
from tools.gpu.networks import Form

# As in `training.linear_map`.
RIDGE, FEATURE_GAIN, MIDDLE = 1e-6, 20.0, 127.0
BATCH = 64
# Of the map's kernel, cells; and the norm that gradients are clipped to.
SIDE, CLIP = 3, 5.0
# The least side of a crop, as a share of the picture's.
LEAST_CROP = 0.7


@torch.no_grad()
def teach(networks: list[Network], x: torch.Tensor) -> torch.Tensor:
    """The mean of some networks' probabilities, float32 (N, 1000), of x, uint8 (N, H, H, 3)."""
    found = []
    for start in range(0, len(x), BATCH):
        piece = x[start : start + BATCH].permute(0, 3, 1, 2).float()
        said = [n(resize(piece, n.side)).softmax(-1) for n in networks]
        found.append(torch.stack(said).mean(0))
    return torch.cat(found)


def random_crops(x: torch.Tensor) -> torch.Tensor:
    """A random square of each picture, enlarged to its size again; uint8 (N, side, side, 3)."""
    found = []
    for start in range(0, len(x), BATCH):
        piece = x[start : start + BATCH].permute(0, 3, 1, 2).float()
        scale = LEAST_CROP + (1 - LEAST_CROP) * torch.rand(len(piece), device=x.device)
        shift = (1 - scale[:, None]) * (2 * torch.rand((len(piece), 2), device=x.device) - 1)
        place = torch.diag_embed(scale[:, None].expand(-1, 2))
        grid = functional.affine_grid(
            torch.cat([place, shift[..., None]], 2), list(piece.shape), align_corners=False
        )
        y = functional.grid_sample(piece, grid, "bicubic", "reflection", align_corners=False)
        found.append(y.round().clamp(0.0, 255.0).byte().permute(0, 2, 3, 1))
    return torch.cat(found)


class Codec:
    """The networks of a model, which stay as they are.

    Args:
      path: from `tools.gpu.exchange start`.
      device: `cuda` or `cpu`.
    """

    def __init__(self, path: str, device: str) -> None:
        about, arrays = files.read(path)
        self.name, self.form, self.device = about["name"], Form(**about["form"]), device
        self.w = {n: torch.tensor(a.astype(np.float32), device=device) for n, a in arrays.items()}
        self.stride = int(np.prod(self.form.strides))

    @staticmethod
    def shrunk(x: torch.Tensor, side: int, flip: bool = False) -> torch.Tensor:
        """Pictures, uint8 (N, H, H, 3), at another side, as whole numbers; float32."""
        x = x.flip(2) if flip else x
        y = resize(x.permute(0, 3, 1, 2).float(), side)
        return y.round().clamp(0.0, 255.0).permute(0, 2, 3, 1)

    @torch.no_grad()
    def seen(self, x: torch.Tensor, index: torch.Tensor | None = None) -> torch.Tensor:
        """What a `post` head's map reads of pictures: the decoder's first stages.

        Args:
          x: float32 (N, H, W, 3) in 0–255.
          index: of their rates, (N,); without it low rates come more often.
        """
        if index is None:
            index = torch.rand(len(x), device=self.device) ** 2 * (self.form.gains - 1)
        y = networks.to_steps(self.w, self.form, networks.centred(self.w, self.form, x), index)
        y = networks.unscaled(self.w, self.form, networks.quantised(y, self.form), index)
        return networks.decode_first(self.w, self.form, y)


class Head:
    """A linear map, which learns, and the pretrained network behind it, which does not.

    Features are divided by their channels' spread: without that quiet ones would hardly move.

    Args:
      codec: of the model.
      network: behind the map.

    Attributes:
      kernel, bias: of the map, once it is solved.
    """

    def __init__(self, codec: Codec, network: Network) -> None:
        self.codec, self.network = codec, network

    def solve(self, x: torch.Tensor, sides: list[int]) -> None:
        """The map of the least squares (`training.linear_map`), and the spread."""
        left: torch.Tensor | float = 0.0
        right: torch.Tensor | float = 0.0
        squares, count, stride = 0.0, 0, self.codec.stride
        for number, start in enumerate(range(0, len(x), BATCH)):
            piece = self.codec.shrunk(x[start : start + BATCH], sides[number % len(sides)])
            f = self.codec.seen(piece)
            squares = squares + ((f - f.mean((0, 1, 2))) ** 2).double().sum((0, 1, 2))
            count += f.shape[0] * f.shape[1] * f.shape[2]
            taps = functional.unfold(f.permute(0, 3, 1, 2) * FEATURE_GAIN, SIDE, padding=SIDE // 2)
            a = taps.transpose(1, 2).reshape(-1, taps.shape[1]).double()
            a = torch.cat([a, torch.ones_like(a[:, :1])], 1)
            n, height, width, _ = piece.shape
            shape = (n, height // stride, stride, width // stride, stride, 3)
            b = (piece - MIDDLE).reshape(shape).permute(0, 1, 3, 2, 4, 5)
            left = left + a.T @ a
            right = right + a.T @ b.reshape(len(a), -1).double()
        ridge = RIDGE * left.trace() / len(left)
        solution = torch.linalg.solve(left + ridge * torch.eye(len(left)).to(left), right)
        self.spread = torch.sqrt(squares / count).clamp(min=1e-4).float()
        kernel = FEATURE_GAIN * solution[:-1].reshape(-1, SIDE, SIDE, right.shape[1])
        self.set(kernel.permute(1, 2, 0, 3).float(), (solution[-1] + MIDDLE).float())

    def set(self, kernel: torch.Tensor, bias: torch.Tensor) -> None:
        """Sets the map, for features as they are."""
        self.kernel = (kernel * self.spread[:, None]).requires_grad_()
        self.bias = bias.clone().requires_grad_()
        self.unit = float(self.kernel.detach().std())
        self.adam = torch.optim.Adam([self.kernel, self.bias], lr=0.0, eps=1e-7)

    def log_p(self, seen: torch.Tensor) -> torch.Tensor:
        """Logarithms of the probabilities, float32 (N, 1000), of what `Codec.seen` returns."""
        u, kernel = (seen / self.spread).permute(0, 3, 1, 2), self.kernel.permute(3, 2, 0, 1)
        y = functional.conv2d(u, kernel, self.bias, 1, SIDE // 2)
        n, _, rows, columns = y.shape
        s = self.codec.stride
        y = y.reshape(n, s, s, 3, rows, columns).permute(0, 3, 4, 1, 5, 2)
        x = y.reshape(n, 3, rows * s, columns * s).clamp(0.0, 255.0)
        x, learns = resize(x, self.network.side), torch.is_grad_enabled()
        on_gpu = self.codec.device == "cuda"
        with torch.autocast(self.codec.device, torch.bfloat16, on_gpu and learns):
            return self.network(x).log_softmax(-1)

    def learn(self, seen: torch.Tensor, answers: torch.Tensor, lr: float) -> None:
        """One step of Adam on the mean divergence; `lr` is in deviations of the map's weights."""
        self.adam.param_groups[0]["lr"] = lr * self.unit
        loss = _divergence(answers, self.log_p(seen)).mean()
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([self.kernel, self.bias], CLIP)
        self.adam.step()

    @torch.no_grad()
    def judge(self, x: torch.Tensor, answers: torch.Tensor, side: int) -> dict[str, list[float]]:
        """Divergence from the teacher, nats, and share of agreement, at every trained rate."""
        told: dict[str, list[float]] = {"nats": [], "agree": []}
        for rate in range(self.codec.form.gains):
            found = []
            for start in range(0, len(x), BATCH):
                piece = self.codec.shrunk(x[start : start + BATCH], side)
                index = torch.full((len(piece),), float(rate), device=self.codec.device)
                found.append(self.log_p(self.codec.seen(piece, index)))
            log_p = torch.cat(found)
            agree = (log_p.argmax(1) == answers.argmax(1)).float().mean()
            told["nats"].append(round(_divergence(answers, log_p).mean().item(), 4))
            told["agree"].append(round(agree.item(), 4))
        return told

    def write(self, path: pathlib.Path, about: dict) -> None:
        """Writes the map, for features that are not divided, and how it came about."""
        kernel, bias = self.kernel.detach() / self.spread[:, None], self.bias.detach()
        files.write(path, about, {KERNEL: kernel.cpu().numpy(), BIAS: bias.cpu().numpy()})


def _divergence(answers: torch.Tensor, log_p: torch.Tensor) -> torch.Tensor:
    return (torch.xlogy(answers, answers) - answers * log_p).sum(1)
