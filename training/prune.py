"""Cuts the channels that carry nothing from a trained model.

Training leaves many of the coded channels constant. A constant channel adds
the same to every position behind it, so its share moves into a bias and the
channel goes, with no change to the picture but at its outermost features.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from deepsic.config import STAGES
from models import quantiser
from models.deepsic import DeepSIC
from models.weights import named_variables

# A channel is kept if more than this share of its symbols differ from its usual one.
LEAST_SHARE = 1e-4


def live_channels(
    maps: np.ndarray, least_share: float = LEAST_SHARE, zero: bool = False
) -> np.ndarray:
    """Channels that carry something.

    Args:
      maps: int8 or int16 (maps, h, w, latents), symbols of training pictures.
      least_share: of symbols that must differ from the channel's usual one.
      zero: whether a channel is also kept where its usual symbol is not 0.

    Returns:
      Their numbers, ascending; at least one.
    """
    usual = usual_symbols(maps)
    share = (maps != usual).mean(axis=(0, 1, 2))
    keep = np.flatnonzero((share > least_share) | (zero & (usual != 0)))
    return keep if len(keep) else np.array([int(share.argmax())])


def usual_symbols(maps: np.ndarray) -> np.ndarray:
    """The most frequent symbol of every channel, (latents,), of the maps' type."""
    flat = maps.reshape(-1, maps.shape[-1])
    counts = [np.bincount(column.astype(np.int32) + 128) for column in flat.T]
    return np.array([c.argmax() - 128 for c in counts], maps.dtype)


def prune(model: DeepSIC, keep: np.ndarray, usual: np.ndarray) -> DeepSIC:
    """A model of the channels in `keep` only.

    Args:
      model: with latents channels; its last stage must not subsample. It has the paper's head.
      keep: numbers of the channels to keep.
      usual: (latents,), the symbols that the others always have; 0 where there are gains, which
        decodes to the same at every step.

    Raises:
      ValueError: if the model is of another kind.
    """
    config = model.config
    if config.strides[-1] != 1 or config.head != "paper":
        raise ValueError("channels can only be cut where the last stage has stride 1.")
    gone = np.delete(usual, keep)
    if config.gains and gone.any():
        raise ValueError("behind gains, only channels whose usual symbol is 0 can be cut.")
    half = quantiser.half_levels(config.bits)
    middle = usual if config.gains else usual - 0.5
    constant = np.where(np.isin(np.arange(config.latents), keep), 0.0, middle / half)
    old = {name: v.numpy() for name, v in named_variables(model).items()}
    new = {name: _slice(name, value, keep) for name, value in old.items()}

    up = f"reconstruction/up{len(model.reconstruction.stages)}"
    lost = model.reconstruction.stages[0].of_constant(constant.astype(np.float32))
    new[f"{up}/deconv/bias"] = old[f"{up}/deconv/bias"] + lost.numpy()
    if len(keep) != config.filters:
        project = f"{up}/project/kernel"
        through = old.get(project, np.eye(config.latents, config.filters)[None, None])
        new[project] = through[:, :, keep]

    even = {
        k: old[f"semantics/even/{k}"] for k in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    spread = np.sqrt(even["moving_variance"] + model.semantics.even.epsilon)
    seen = (constant - even["moving_mean"]) / spread * even["gamma"] + even["beta"]
    seen[keep] = 0.0
    first = "semantics/block1"
    new[f"{first}/batch/moving_mean"] = old[f"{first}/batch/moving_mean"] - np.einsum(
        "ijlo,l->o", old[f"{first}/conv/kernel"], seen
    )

    pruned = DeepSIC(dataclasses.replace(config, latents=len(keep)), model.rate)
    pruned.create_variables()
    for name, variable in named_variables(pruned).items():
        variable.assign(new[name].astype(np.float32))
    return pruned


def _slice(name: str, value: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """A variable without the channels that go."""
    if name.startswith((f"features/conv{STAGES}/", f"reconstruction/up{STAGES}/deconv/kernel")):
        return value[..., keep]
    if name.startswith(
        ("features/centre/", f"features/norm{STAGES}/", "prior/", "semantics/even/")
    ):
        return value[keep]
    if name.endswith("/rate_gains/log_gain"):
        return value[:, keep]
    if name == "semantics/block1/conv/kernel":
        return value[:, :, keep]
    return value
