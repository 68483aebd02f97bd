"""Small untrained models in folders, with coding tables of their own symbols."""

from __future__ import annotations

import atexit
import functools
import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf

from data.samples import sample_images
from deepsic import folders, saving
from deepsic.config import STEPS_PER_GAIN, ModelConfig
from deepsic.labels import Labels
from models import quantiser, weights
from models.deepsic import DeepSIC
from training.context.fit import fit
from training.curvature import measure_curvature
from training.initialise import linear_block_transform

CLASSES = ["n01440764", "n02102040", "n03028079"]


def photo(height: int, width: int) -> np.ndarray:
    """A piece of a photograph, uint8 (height, width, 3)."""
    return sample_images()["coffee"][100 : 100 + height, 200 : 200 + width]


def make_model(
    path: pathlib.Path, arch: str, classes: list[str] = CLASSES, gains: int = 0
) -> folders.Folder:
    """A folder of its own with a model that compresses as a block transform does.

    Args:
      path: of the folder.
      arch: of the model.
      classes: of its head.
      gains: see `ModelConfig`; the rates lie between λ1 of 0.002 and 0.05.
    """
    shutil.copytree(_made(arch, tuple(classes), gains).path, path)
    return folders.open_folder(path)


@functools.cache
def _made(arch: str, classes: tuple[str, ...], gains: int) -> folders.Folder:
    """The model in a temporary folder; tests get copies."""
    path = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    tf.keras.utils.set_random_seed(1)
    config = ModelConfig(
        arch=arch,
        filters=16,
        latents=16,
        bits=8 if gains else 6,
        gains=gains,
        normalisation="gdn",
        skip_gain=0.0,
        classes=len(classes),
        head_width=8,
    )
    model = DeepSIC(config)
    model.create_variables()
    x = np.stack([photo(192, 192), photo(192, 192)[::-1]]).astype(np.float32)
    lambdas = np.geomspace(0.002, 0.05, gains) if gains else np.array([0.01])
    linear_block_transform(model, x, lambdas, seed=1)
    tables = {}
    for step in config.trained_steps[::STEPS_PER_GAIN]:
        index = tf.fill((len(x),), float(step / STEPS_PER_GAIN))
        q = model.symbols(model.features(x, index)).numpy()
        low = quantiser.lowest_symbol(config.bits)
        fitted = fit(q, lowest=low, hidden=8, steps=0, turns=2)
        tables[step] = fitted.to_bytes()
    data = saving.bundle(tables) if gains else tables[0]
    labels = Labels.of(list(classes))
    curvature = measure_curvature(model, [x], seed=1)
    return weights.save(path, model, data, labels, {"name": arch}, lambdas.tolist(), curvature)
