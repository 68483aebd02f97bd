"""From flags to a model folder: data, networks, training, coding tables, export."""

from __future__ import annotations

import dataclasses
import pathlib
import time

import numpy as np
import tensorflow as tf

from data.sources import Source
from deepsic import folders
from deepsic.config import ModelConfig
from deepsic.labels import Labels
from models import quantiser, weights
from models.deepsic import DeepSIC
from training.add_gains import add_gains
from training.averages import use_better
from training.batches import batches_of
from training.curvature import measure_curvature
from training.initialise import linear_block_transform
from training.loop import Run
from training.prune import live_channels, prune, usual_symbols
from training.rates import lambdas
from training.rescale import rescale
from training.settings import ContextSettings, TrainSettings
from training.tables import collect_symbols, fit_all_tables

# Patches on which starts measure variances.
START_BATCH = 32


def set_precision(precision: str) -> None:
    """What convolutions that are made from now on compute in; all else stays in float32."""
    name = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    tf.keras.mixed_precision.set_global_policy(name)


def in_full_precision(model: DeepSIC) -> DeepSIC:
    """A model whose convolutions compute in float32, with a trained one's variables."""
    set_precision("float32")
    copy = DeepSIC(model.config, model.rate)
    copy.create_variables()
    for variable, trained in zip(copy.variables, model.variables, strict=True):
        variable.assign(trained)
    return copy


def build_model(
    config: ModelConfig,
    settings: TrainSettings,
    strategy: tf.distribute.Strategy,
    init_from: folders.Folder | None,
) -> DeepSIC:
    """A model with its variables made, random or copied from another one and scaled."""
    tf.keras.utils.set_random_seed(settings.seed)
    with strategy.scope():
        model = DeepSIC(config, settings.rate)
        model.create_variables()
    if init_from is not None:
        for name in weights.copy_weights(init_from, model):
            print(f"{name} is not in {init_from.path} in that shape and starts anew.")
        if settings.init_scale != 1.0 and not config.gains:
            rescale(model, settings.init_scale)
    return model


def start(
    model: DeepSIC,
    settings: TrainSettings,
    source: Source,
    extra: Source | None,
    init_from: folders.Folder | None,
) -> None:
    """Whatever a run begins with that is measured on pictures."""
    adds_gains = init_from is not None and model.config.gains and not init_from.config.gains
    if not (settings.start == "linear" or adds_gains or settings.rate == "context"):
        return
    x = start_pictures(settings, source, extra)
    if settings.start == "linear":
        start_linear(model, settings, x)
    if init_from is not None and adds_gains:
        start_gains(model, settings, init_from, x)
    if settings.rate == "context":
        start_rate(model, x)


def start_linear(model: DeepSIC, settings: TrainSettings, x: np.ndarray) -> None:
    """Sets the kernels to a linear block transform, see `training.initialise`."""
    rates = lambdas(settings, max(1, model.config.gains))
    linear_block_transform(model, x, rates, settings.seed)


def start_gains(
    model: DeepSIC, settings: TrainSettings, init_from: folders.Folder, x: np.ndarray
) -> None:
    """Gives a model of one rate that training starts from several, see `training.add_gains`."""
    ratio = lambdas(settings, model.config.gains) / settings.lambda1
    add_gains(model, init_from.config, x, settings.init_scale * np.sqrt(ratio))


def start_rate(model: DeepSIC, x: np.ndarray) -> None:
    """Begins a context-aware rate term with densities as wide as the channels are."""
    spreads = []
    for index in range(model.prior.rates):
        f = model.features(x, tf.fill((len(x),), float(index)))
        y = quantiser.to_steps(f, model.config.bits)
        spreads.append(tf.math.reduce_std(y, axis=(0, 1, 2)).numpy())
    model.prior.start(np.stack(spreads))


def start_pictures(settings: TrainSettings, source: Source, extra: Source | None) -> np.ndarray:
    """What such starts measure on: float32 (N, patch, patch, 3) in 0–255."""
    batch = min(START_BATCH, source.count)
    batches = next(batches_of(settings, source, extra, batch=batch, seed=settings.seed + 1))
    return next(iter(batches))["x"].numpy()


def check_patches(context: ContextSettings, config: ModelConfig, patch: int = 0) -> None:
    """Raises ValueError if a side is no multiple of the stride, or too small for the coder.

    Args:
      context: whose patches must hold a position of every pass.
      config: of the model.
      patch: side of the patches that the networks are trained on.
    """
    for name, side in (("patch", patch), ("context_patch", context.patch)):
        if side % config.stride:
            raise ValueError(f"--{name} must be a multiple of {config.stride} for that model.")
    if context.patch <= 4 * config.stride:
        raise ValueError(f"--context_patch must be more than {4 * config.stride} for that model.")


def labels_of(source: Source) -> Labels:
    """The labels that a model of these pictures gets; raises ValueError if they make no tree."""
    labels = Labels.of(list(source.labels), source.names, source.parents)
    try:
        _ = labels.taxonomy
    except ValueError as error:
        raise ValueError(f"the parents in labels.json do not fit: {error}") from error
    return labels


def export(
    run: Run,
    out: pathlib.Path,
    source: Source,
    extra: Source | None,
    context: ContextSettings,
    card: dict,
    init_from: folders.Folder | None,
) -> folders.Folder:
    """Fits the coding tables to a trained model and writes it to out/model."""
    settings = run.settings
    averaged = use_better(run.model, run.optimisers, settings, source, extra)
    model = in_full_precision(run.model)
    card = card | {
        "steps": int(run.step.step),
        "weights": "moving averages" if averaged else "of the last step",
        "hours": round(float(run.seconds) / 3600, 2),
    }
    return finish(model, settings, out, source, extra, context, card, init_from)


def finish(
    model: DeepSIC,
    settings: TrainSettings,
    out: pathlib.Path,
    source: Source,
    extra: Source | None,
    context: ContextSettings,
    card: dict,
    init_from: folders.Folder | None,
    best: range | None = None,
) -> folders.Folder:
    """Cuts what a trained model does not use, fits its coding tables, writes it to out/model.

    Args:
      model: trained, its convolutions in float32.
      settings, context: how.
      out: the run's folder.
      source, extra: the pictures.
      card: what is known of the run so far.
      init_from: what it started from.
      best: its steps, if they are not those that it was trained at.
    """
    changed = "features" in settings.parts or settings.init_scale != 1.0
    if init_from is not None and not changed:
        # The symbols are those of the model that it started from.
        tables = init_from.read_tables()
    else:
        if model.config.strides[-1] == 1 and model.config.head == "paper":
            # A channel that carries something at the highest rate stays.
            top = float(max(0, model.config.gains - 1))
            maps = collect_symbols(model, context, source, extra, settings.seed, (top, top))
            keep = live_channels(maps, zero=model.config.gains > 0)
            model = prune(model, keep, usual_symbols(maps))
        tables = fit_all_tables(model, context, source, extra, settings.seed, best)
    card = card | {
        "settings": dataclasses.asdict(settings),
        "context": dataclasses.asdict(context),
        "date": time.strftime("%Y-%m-%d"),
    }
    if init_from is not None:
        told = ("command", "steps", "weights", "hours", "date", "from")
        card["from"] = {k: init_from.card[k] for k in told if k in init_from.card}
    lambda1 = lambdas(settings, model.config.gains or 1).tolist()
    if init_from is not None and not changed:
        lambda1 = init_from.rates.get("lambda1", [])
    curvature = None
    if model.config.can_refine:
        pictures = start_pictures(settings, source, extra)
        curvature = measure_curvature(model, np.array_split(pictures, 4), settings.seed)
    labels = labels_of(source)
    return weights.save(out / "model", model, tables, labels, card, lambda1, curvature)
