"""The machine that trains: how old the process is there, its device, and what falls with time."""

from __future__ import annotations

import math
import time

BEGUN = time.monotonic()
# Steps after which Python waits for the GPU.
QUEUE = 20


def age() -> float:
    """Seconds since the process began; its machine is lent for a time."""
    return time.monotonic() - BEGUN


def open_device(seed: int) -> str:
    """`cuda` where there is a GPU, which then computes in TF32, else `cpu`; sets PyTorch's seed."""
    import torch

    torch.manual_seed(seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    return "cuda" if torch.cuda.is_available() else "cpu"


def half_cosine(begun: float, until: float, steps: int, most: int | None) -> float:
    """From 1 at the age `begun` to 0 at `until`, or after `most` steps if these are done before."""
    done = max((age() - begun) / (until - begun), steps / (most or math.inf))
    return 0.5 * (1 + math.cos(math.pi * done))
