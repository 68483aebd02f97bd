"""EfficientNet-Lite in PyTorch, of weights as `models.efficientnet` has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

from tools.gpu import files
from tools.gpu.networks import Weights


@dataclasses.dataclass(frozen=True)
class Network:
    """One network, which stays as it is.

    Attributes:
      w: kernels in PyTorch's order, float32, by name.
      strides: of its blocks.
      side: of the pictures that it was trained on, pixels.
    """

    w: Weights
    strides: list[int]
    side: int

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, float32 (N, 1000), of pictures (N, 3, H, W) in 0–255, sides even throughout."""
        return logits(self.w, self.strides, x)


def open_networks(path: str, device: str) -> list[Network]:
    """The networks that `tools.gpu.exchange networks` wrote, in its order."""
    about, arrays = files.read(path)
    return [
        Network(load(_below(arrays, f"{name}/"), device), told["strides"], told["side"])
        for name, told in about["networks"].items()
    ]


def _below(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def load(arrays: Mapping[str, np.ndarray], device: str) -> Weights:
    """See `Network.w`."""
    w = {}
    for name, array in arrays.items():
        tensor = torch.tensor(np.asarray(array, np.float32), device=device)
        if tensor.ndim == 4:
            order = (2, 3, 0, 1) if "/depthwise/" in name else (3, 2, 0, 1)
            tensor = tensor.permute(order).contiguous(memory_format=torch.channels_last)
        w[name] = tensor
    return w


def resize(x: torch.Tensor, side: int) -> torch.Tensor:
    """Square pictures (N, 3, H, H) at another side, as TensorFlow resizes: bicubic, antialiased."""
    if x.shape[-1] == side:
        return x
    return functional.interpolate(
        x, (side, side), mode="bicubic", antialias=True, align_corners=False
    )


def logits(w: Weights, strides: list[int], x: torch.Tensor) -> torch.Tensor:
    """See `Network`."""
    y = (x.clamp(0.0, 255.0) - 127.0) / 128.0
    y = functional.relu6(_convolve(w, "stem", y.contiguous(memory_format=torch.channels_last), 2))
    for i, stride in enumerate(strides):
        z, name = y, f"block{i}"
        if f"{name}/expand/kernel" in w:
            z = functional.relu6(_convolve(w, f"{name}/expand", z))
        z = functional.relu6(_convolve(w, f"{name}/depthwise", z, stride))
        z = _convolve(w, f"{name}/project", z)
        y = y + z if stride == 1 and y.shape[1] == z.shape[1] else z
    y = functional.relu6(_convolve(w, "top", y)).float().mean((2, 3))
    with torch.autocast(x.device.type, enabled=False):
        return y @ w["classes/kernel"] + w["classes/bias"]


def _convolve(w: Weights, name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """A convolution with TensorFlow's padding."""
    kernel = w[f"{name}/kernel"]
    side, size = kernel.shape[-1], x.shape[-1]
    pad = max(0, (-(-size // stride) - 1) * stride + side - size)
    if pad % 2:
        x, pad = functional.pad(x, (pad // 2, pad - pad // 2) * 2), 0
    groups = x.shape[1] if kernel.shape[1] == 1 and x.shape[1] > 1 else 1
    return functional.conv2d(x, kernel, w[f"{name}/bias"], stride, pad // 2, 1, groups)
