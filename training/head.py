"""A pretrained head for a finished codec: map, distillation, temperature, export.

    python train.py --parts=semantics --head=pretrained --teacher=efficientnet-lite \\
        --init_from=MODEL --arch=pre --extra_images='GLOB' --dataset=folder:LABELLED ...

The codec's files are copied as they are, so the model keeps its fingerprint and its files.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data.sources import Source
from deepsic import folders, saving
from deepsic.codec import Codec
from deepsic.config import PRETRAINED_CLASSES, Arch, HeadInput, ModelConfig
from deepsic.labels import Labels
from models import weights
from models.deepsic import DeepSIC
from training.calibrate import fit_temperature, log_probabilities
from training.distil import distil, solve_map
from training.settings import TrainSettings
from training.teacher import ask, prepare

# Unlabelled pictures that the map learns from, at most.
PICTURES = 6000
# Labelled pictures that the temperature is fitted on, at most.
LABELLED = 300


def make(
    folder: folders.Folder,
    config: ModelConfig,
    paths: Sequence[pathlib.Path],
    labelled: Source,
    settings: TrainSettings,
    out: pathlib.Path,
    card: dict[str, Any],
    report: Callable[[str], None],
) -> folders.Folder:
    """Writes out/model: a codec with a new head.

    Args:
      folder: of the codec, with whatever head.
      config: what the model will be, see `config_of`.
      paths: of unlabelled pictures.
      labelled: pictures of some of ImageNet's classes, for the temperature only.
      settings: of `training.distil.distil`; with `steps` of 1 the least squares' map stays
        nearly as it is.
      out: folder of the result; the teacher's answers are kept beside it.
      card: anything worth knowing.
      report: gets sentences on the way.

    Raises:
      ValueError: if there are no pictures, or labels that are not ImageNet's.
      models.efficientnet.Missing: if the teacher is not installed.
    """
    started = time.monotonic()
    _truth_of(labelled)  # before anything long
    if not paths:
        raise ValueError("--extra_images must name pictures that the head learns from.")
    lesson = ask(prepare(paths, PICTURES, settings.seed), out.parent)
    report(f"{len(lesson.x)} pictures with the teacher's answers")
    model = load(folder, config)
    solve_map(model, lesson, settings.seed)
    report("the map is solved")
    distil(model, lesson, settings, lambda n, loss: report(f"step {n}: {loss:.4f} nats"))
    card |= {
        "settings": dataclasses.asdict(settings),
        "pictures": len(lesson.x),
        "hours": round((time.monotonic() - started) / 3600, 2),
    }
    return finish(folder, model, labelled, out, card, report)


def finish(
    folder: folders.Folder,
    model: DeepSIC,
    labelled: Source,
    out: pathlib.Path,
    card: dict[str, Any],
    report: Callable[[str], None],
) -> folders.Folder:
    """Fits the temperature of a head that has learnt, and writes out/model; see `make`.

    Raises:
      ValueError: if the labels are not ImageNet's.
    """
    truth_of = _truth_of(labelled)
    made = save(out / "model", folder, model, card)
    temperature = calibrate(made, labelled, truth_of)
    model.semantics.temperature.value.assign(temperature)
    report(f"temperature {temperature:.3f}")
    card |= {
        "temperature": round(temperature, 4),
        "date": time.strftime("%Y-%m-%d"),
        "codec": folder.card.get("codec", folder.card),  # not that of another head
    }
    return save(out / "model", folder, model, card)


def _truth_of(labelled: Source) -> Sequence[int]:
    """The thousand classes' numbers of a source's; raises ValueError."""
    found = Labels.of(list(labelled.labels)).imagenet
    if found is None:
        raise ValueError("--dataset must have classes named by ImageNet's synsets, as n02102040.")
    return found


def config_of(
    folder: folders.Folder, arch: Arch, head_input: HeadInput = "features"
) -> ModelConfig:
    """The configuration of a codec with a pretrained head, whatever head it has now."""
    return dataclasses.replace(
        folder.config,
        arch=arch,
        head="pretrained",
        head_input=head_input,
        classes=PRETRAINED_CLASSES,
    )


def load(folder: folders.Folder, config: ModelConfig) -> DeepSIC:
    """The networks of a model with a pretrained head whose map is not solved yet."""
    model = DeepSIC(config)
    model.create_variables()
    weights.copy_weights(folder, model)
    # That of a head which the folder has already is not this one's.
    model.semantics.temperature.value.assign(1.0)
    return model


def assign(model: DeepSIC, arrays: Mapping[str, np.ndarray]) -> None:
    """Gives a head weights that were learnt elsewhere, by their names in a model folder."""
    named = weights.named_variables(model)
    for name, array in arrays.items():
        named[name].assign(array)


def save(
    path: pathlib.Path, codec: folders.Folder, model: DeepSIC, card: dict[str, Any]
) -> folders.Folder:
    """Writes a model folder: another one's codec and tables, as they are, with this head."""
    arch, newest = model.config.arch, codec.fingerprints[0].hex()
    files = {n: codec.read(n) for n in codec.checksums if not n.startswith(("heads/", "tables/"))}
    files |= weights.head_part(model).files(f"heads/{arch}")
    written = saving.write(path, arch, files, codec.read_tables(), [], {arch: card}, codec.rates)
    assert written.fingerprints[0].hex() == newest, "the codec is another"
    return written


def calibrate(folder: folders.Folder, labelled: Source, truth_of: Sequence[int]) -> float:
    """The temperature that a model needs, as its files are labelled."""
    step = max(1, labelled.count // LABELLED)
    pictures, truth = [], []
    for example in labelled.examples.shard(step, 0).take(LABELLED):
        try:
            x = tf.io.decode_image(example["image"], channels=3, expand_animations=False)
        except tf.errors.OpError:
            continue
        pictures.append(x.numpy())
        truth.append(truth_of[int(example["label"])])
    codec = Codec(folder, runtime="tensorflow")
    return fit_temperature(log_probabilities(codec, pictures), np.array(truth))
