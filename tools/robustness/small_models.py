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
from deepsic import store
from deepsic.config import ModelConfig
from deepsic.labels import Labels
from models import quantiser, weights
from models.deepsic import DeepSIC
from training.context.fit import fit
from training.initialise import linear_block_transform

CLASSES = ["n01440764", "n02102040", "n03028079"]


def photo(height: int, width: int) -> np.ndarray:
    """A piece of a photograph, uint8 (height, width, 3)."""
    return sample_images()["coffee"][100 : 100 + height, 200 : 200 + width]


def make_model(path: pathlib.Path, arch: str, classes: list[str] = CLASSES) -> store.Folder:
    """A folder of its own with a model that compresses as a block transform does."""
    shutil.copytree(_made(arch, tuple(classes)).path, path)
    return store.open_folder(path)


@functools.cache
def _made(arch: str, classes: tuple[str, ...]) -> store.Folder:
    """The model in a temporary folder; tests get copies."""
    path = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    tf.keras.utils.set_random_seed(1)
    config = ModelConfig(
        arch=arch,
        filters=16,
        latents=16,
        normalisation="gdn",
        skip_gain=0.0,
        classes=len(classes),
        head_width=8,
    )
    model = DeepSIC(config)
    model.create_variables()
    x = np.stack([photo(192, 192), photo(192, 192)[::-1]]).astype(np.float32)
    linear_block_transform(model, x, np.array([0.01]), seed=1)
    q = model.symbols(model.features(x)).numpy().astype(np.int8)
    tables = fit(q, lowest=quantiser.lowest_symbol(config.bits), hidden=8, steps=2)
    return weights.save(path, model, tables.to_bytes(), Labels.of(list(classes)), {"name": arch})
