"""A model's coding tables: symbols of training pictures, and the classifier fitted to them."""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from data.sources import Source
from deepsic import folders, saving
from deepsic.config import STEPS_PER_GAIN, ModelConfig
from deepsic.quantiser import Quantiser
from models import quantiser, weights
from models.deepsic import DeepSIC
from training.batches import batches_of
from training.context.fit import fit
from training.settings import ContextSettings


def collect_symbols(
    model: DeepSIC,
    context: ContextSettings,
    source: Source,
    extra: Source | None,
    seed: int,
    rates: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Symbols of training pictures, int8 or int16 (maps, h, w, latents), to fit the coder on.

    Args:
      model, context, source, extra: of the run.
      seed: of the pictures' order and crops.
      rates: the indices of the rates between which pictures are coded, if the model has gains.
    """
    batch = min(8, source.count)
    batches = batches_of(context, source, extra, batch=batch, seed=seed + 2)
    dtype = Quantiser(model.config.bits).dtype

    @tf.function(autograph=False)
    def symbols(x: tf.Tensor) -> tf.Tensor:
        index = tf.linspace(*rates, batch) if model.config.gains else None
        return tf.cast(model.symbols(model.features(x, index)), dtype)

    maps: list[np.ndarray] = []
    with tqdm(total=context.maps, desc="symbols", disable=not sys.stderr.isatty()) as bar:
        for data in batches:
            for example in data:
                maps.append(symbols(example["x"]).numpy())
                bar.update(batch)
                if len(maps) * batch >= context.maps:
                    return np.concatenate(maps)
    raise AssertionError("the pipelines have no end")


def fit_all_tables(
    model: DeepSIC,
    context: ContextSettings,
    source: Source,
    extra: Source | None,
    seed: int,
    best: range | None = None,
) -> bytes:
    """Trains the context classifier of a model; returns the tables' file.

    A model with gains gets tables for several of its steps, each fitted around it.

    Args:
      model, context, source, extra, seed: of the run.
      best: the model's `best_steps`, if it has been published.
    """
    if not model.config.gains:
        maps = collect_symbols(model, context, source, extra, seed)
        return fit_tables(model, context, maps, seed)
    best = model.config.trained_steps if best is None else best
    half, tables = STEPS_PER_GAIN / context.per_gain / 2, {}
    for step in steps_of_tables(model.config, best, context.per_gain):
        ends = max(best[0], step - half), min(best[-1], step + half)
        print(f"tables of step {step}", flush=True)
        rates = ends[0] / STEPS_PER_GAIN, ends[1] / STEPS_PER_GAIN
        maps = collect_symbols(model, context, source, extra, seed, rates)
        tables[step] = fit_tables(model, context, maps, seed)
    return saving.bundle(tables)


def steps_of_tables(config: ModelConfig, best: range, per_gain: int) -> list[int]:
    """The steps that get coding tables, ascending.

    Args:
      config: of a model with gains.
      best: the steps that the model is used at; its ends get tables too, where they are far from
        others.
      per_gain: tables from one trained rate to the next.
    """
    count = (config.gains - 1) * per_gain + 1
    between = STEPS_PER_GAIN / per_gain
    steps = [round(i * between) for i in range(count)]
    steps = [step for step in steps if step in best] or [best[0]]
    low = [best[0]] if steps[0] - best[0] >= between / 2 else []
    high = [best[-1]] if best[-1] - steps[-1] >= between / 2 else []
    return low + steps + high


def fit_tables(model: DeepSIC, context: ContextSettings, maps: np.ndarray, seed: int) -> bytes:
    """Trains the context classifier of a model on its symbols; returns the tables' file."""
    with tqdm(total=context.steps, desc="context", disable=not sys.stderr.isatty()) as bar:

        def report(step: int, bits: float) -> None:
            bar.update(step - bar.n)
            text = f"{bits / model.config.stride**2:.4f} bpp"
            bar.set_postfix_str(text)
            if bar.disable:
                print(f"context step {step} {text}", flush=True)

        tables = fit(
            maps,
            lowest=quantiser.lowest_symbol(model.config.bits),
            hidden=context.hidden,
            steps=context.steps,
            seed=seed,
            turns=context.turns,
            report=report,
        )
    return tables.to_bytes()


def refit(
    folder: folders.Folder,
    context: ContextSettings,
    source: Source,
    extra: Source | None,
    seed: int,
) -> folders.Folder:
    """Adds new coding tables to a finished model."""
    model = weights.load_networks(folder)
    tables = fit_all_tables(model, context, source, extra, seed, folder.best_steps)
    return saving.add_tables(folder, tables)
