"""Names of a model's weights in its folder: explicit, and the same whatever Keras calls them.

The names are part of a model folder (`deepsic.folders`), so they stay. A layer that is added to
a network is added here; `named_variables` complains of one that was forgotten.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from deepsic import folders, graphs, saving
from deepsic.effort import CURVATURE
from deepsic.errors import ModelError
from deepsic.labels import Labels
from models.context_rate import ContextRate
from models.deepsic import DeepSIC
from models.features import FeatureExtractor
from models.pretrained import PretrainedHead
from models.reconstruction import Reconstruction
from models.semantics import SemanticHead

# What the head's weights begin with; all others are the codec's, which both heads share.
HEAD = "semantics/"


def layers(model: DeepSIC) -> dict[str, tf.keras.layers.Layer]:
    """The layers that have variables, by name; a context-aware rate term is no part of a folder."""
    prior = {} if isinstance(model.prior, ContextRate) else {"prior": model.prior}
    return {
        **{f"features/{name}": layer for name, layer in _features(model.features)},
        **{
            f"reconstruction/{name}": layer for name, layer in _reconstruction(model.reconstruction)
        },
        **{f"semantics/{name}": layer for name, layer in _head(model.semantics)},
        **prior,
    }


def named_variables(model: DeepSIC) -> dict[str, tf.Variable]:
    """All variables of a model, by their names in its folder, such as features/conv1/kernel."""
    named = {
        f"{name}/{_own_name(variable)}": variable
        for name, layer in layers(model).items()
        for variable in layer.variables
    }
    without = len(model.prior.variables) if isinstance(model.prior, ContextRate) else 0
    assert len(named) == len(model.variables) - without, "a variable has no name here"
    return named


def normalised(model: DeepSIC) -> dict[str, str]:
    """Convolutions that a batch normalisation follows at once, and these."""
    pairs = {
        name: f"{name.removesuffix('conv')}batch"
        for name in layers(model)
        if name.startswith(HEAD) and name.endswith("/conv")
    }
    last = len(model.features.convs)
    if model.features.norms[-1] is not None:
        pairs[f"features/conv{last}"] = f"features/norm{last}"
    return pairs


def _own_name(variable: tf.Variable) -> str:
    """The last part of what its layer calls a variable."""
    return variable.name.rsplit("/", 1)[-1].split(":")[0]


def _features(features: FeatureExtractor) -> Iterator[tuple[str, tf.keras.layers.Layer]]:
    for i, (conv, norm) in enumerate(zip(features.convs, features.norms, strict=True), 1):
        yield f"conv{i}", conv
        if norm is not None:
            yield f"norm{i}", norm
    yield "centre", features.centre
    yield from _inner(features)
    for path, gain in features.gains.items():
        yield f"gain{path}", gain


def _reconstruction(decoder: Reconstruction) -> Iterator[tuple[str, tf.keras.layers.Layer]]:
    count = len(decoder.stages)
    for i, stage in enumerate(decoder.stages):
        yield f"up{count - i}/deconv", stage.deconv
        yield f"up{count - i}/gain", stage.gain
        if stage.project is not None:
            yield f"up{count - i}/project", stage.project
    for i, norm in enumerate(decoder.norms):
        yield f"norm{count - i}", norm
    yield from _inner(decoder)


def _inner(transform: FeatureExtractor | Reconstruction) -> Iterator[tuple[str, Any]]:
    """What both transforms may have: residual blocks and gains."""
    for i, block in enumerate(transform.blocks, 1):
        yield f"block{i}/first", block.first
        yield f"block{i}/second", block.second
    if transform.rate_gains is not None:
        yield "rate_gains", transform.rate_gains


def _head(
    head: SemanticHead | PretrainedHead,
) -> Iterator[tuple[str, tf.keras.layers.Layer]]:
    if isinstance(head, PretrainedHead):
        yield from (("map", head.map), ("temperature", head.temperature))
        return
    yield "even", head.even
    for i, (block, residuals) in enumerate(zip(head.blocks, head.residuals, strict=True), 1):
        yield f"block{i}/conv", block.conv
        yield f"block{i}/batch", block.batch
        for k, residual in enumerate(residuals, 1):
            yield f"residual{i}_{k}/first/conv", residual.first.conv
            yield f"residual{i}_{k}/first/batch", residual.first.batch
            yield f"residual{i}_{k}/conv", residual.conv
            yield f"residual{i}_{k}/batch", residual.batch
    yield "fc1", head.fc1
    yield "fc2", head.fc2


def load_networks(folder: folders.Folder) -> DeepSIC:
    """The Keras networks of a model, with their weights.

    Folders have no context-aware rate term, which only training needs; it is random here.

    Raises:
      ModelError: if weights are missing, of the wrong shape, or not finite.
    """
    arrays = folder.weights()
    is_marginal = any(name.startswith("prior/") for name in arrays)
    model = DeepSIC(folder.config, "marginal" if is_marginal else "context")
    model.create_variables()
    for name, variable in named_variables(model).items():
        array = arrays.get(name)
        if array is None or array.shape != tuple(variable.shape) or not np.isfinite(array).all():
            raise ModelError(f"{folder.path}: the model has no usable weights {name}.")
        variable.assign(array.astype(np.float32))
    return model


def copy_weights(folder: folders.Folder, model: DeepSIC) -> list[str]:
    """Starts a model from another one's weights, where the shapes agree.

    Returns:
      Names of the variables that were left as they are.
    """
    arrays = folder.weights()
    left = []
    for name, variable in named_variables(model).items():
        if name in arrays and arrays[name].shape == tuple(variable.shape):
            variable.assign(arrays[name].astype(np.float32))
        else:
            left.append(name)
    return left


def halved(model: DeepSIC) -> dict[str, np.ndarray]:
    """The weights as a folder holds them, float16; the model gets them too, as it will be run."""
    arrays = {}
    for name, variable in named_variables(model).items():
        arrays[name] = variable.numpy().astype(np.float16)
        variable.assign(arrays[name].astype(np.float32))
    return arrays


def head_part(model: DeepSIC) -> saving.Part:
    """A model's head as its folder holds it; all weights are halved, see `halved`."""
    from models import export

    arrays = halved(model)
    return _part(model, arrays, True, export.head_graphs(model))


def _part(
    model: DeepSIC, arrays: dict[str, np.ndarray], is_head: bool, made: dict[str, bytes]
) -> saving.Part:
    config = dataclasses.asdict(model.config)
    del config["arch"]
    folded = {f"{name}/kernel": behind for name, behind in normalised(model).items()}
    mine = {n: a for n, a in arrays.items() if n.startswith(HEAD) == is_head}
    known = arrays if is_head else mine
    empty = {n: graphs.take_out(graph, known, folded) for n, graph in made.items()}
    fields = {k: v for k, v in config.items() if (k in folders.HEAD_FIELDS) == is_head}
    return saving.Part(fields, mine, empty)


def save(
    path: pathlib.Path,
    model: DeepSIC,
    tables: bytes,
    labels: Labels,
    card: dict[str, Any],
    lambda1: Sequence[float] = (),
    curvature: np.ndarray | None = None,
) -> folders.Folder:
    """Writes a whole model folder, its networks for either runtime.

    Args:
      path: of the folder; an older model there is replaced.
      model: whose weights are stored as float16, and have that precision from then on.
      tables: `Tables.to_bytes`.
      labels: of its classes.
      card: anything worth knowing.
      lambda1: of eq. 4, of each of its rates; none if that is not known.
      curvature: of its decoder, see `deepsic.effort`; without, symbols cannot be refined.

    Raises:
      BadFile: if it cannot be written; an older model there is then whole.
    """
    from models import export

    head = head_part(model)
    codec = _part(model, halved(model), False, export.codec_graphs(model))
    if curvature is not None:
        codec = dataclasses.replace(codec, weights={**codec.weights, CURVATURE: curvature})
    arch = model.config.arch
    return saving.save(path, arch, codec, head, tables, labels, card, lambda1)
