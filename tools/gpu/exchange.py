"""Takes models to `tools.gpu.train` and back, and pictures there.

    python -m tools.gpu.exchange start --model=high --blocks=3 --decoder_blocks=2 --lr=2e-4 \
      --lambda1=0.027 --lambda1_top=0.12 --weights=high.npz
    python -m tools.gpu.exchange tiles --extra_images='tiles/*.png' --weights=tiles.npz
    python -m tools.gpu.exchange take --model=high --weights=OUT/high.npz --dataset=… --out=RUN

`start` writes the networks of a model that has gains, with more residual blocks if asked for;
`tiles` packs square pictures of one size as AVIF of high quality; `take` fits coding tables to
what was trained and writes a model folder, with the flags of train.py that say how. And for
`tools.gpu.heads`:

    python -m tools.gpu.exchange start --model=low --weights=low.npz
    python -m tools.gpu.exchange lesson --extra_images='pool/*.jpg' --weights=lesson.npz
    python -m tools.gpu.exchange networks --weights=lite.npz
    python -m tools.gpu.exchange take_head --model=low --weights=OUT/low.npz --dataset=… --out=RUN

`lesson` packs one crop of each picture, `networks` the teacher's, and `take_head` fits the
temperature and writes a model folder with the head that was trained.
"""

from __future__ import annotations

import dataclasses
import glob
import io
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from deepsic import cli
from tools.gpu import files
from training.flags import define, values
from training.settings import ContextSettings, TrainSettings

if TYPE_CHECKING:
    from PIL import Image

F = flags.FLAGS
define(TrainSettings)
define(ContextSettings, ContextSettings.PREFIX)
flags.DEFINE_string("model", None, "Model to start from: its name or folder.")
flags.DEFINE_string("weights", None, "File to write, or to take weights from.", required=True)
flags.DEFINE_integer("blocks", None, "Residual blocks of the feature extractor, if others.", 0)
flags.DEFINE_integer("decoder_blocks", None, "Residual blocks of the reconstruction, if others.", 0)
flags.DEFINE_string("dataset", None, "Labelled pictures, see train.py.")
flags.DEFINE_string("data_dir", None, "Folder of TFDS's sets.")
flags.DEFINE_string("extra_images", None, "Glob of unlabelled pictures.")
flags.DEFINE_string("out", "runs/gpu", "Folder of the model that is made.")
flags.DEFINE_integer("quality", 95, "Quality of the packed pictures.", 1, 100)
flags.DEFINE_integer("count", 6000, "Most pictures of a lesson.", 1)
flags.DEFINE_integer("first", 0, "How many pictures of a lesson are left out before.", 0)


def start() -> None:
    """Writes --model's networks and what `tools.gpu.train` must know of them to --weights."""
    from deepsic import store
    from deepsic.effort import CURVATURE
    from tools.gpu.networks import Form

    folder, settings = store.find(F.model), TrainSettings(**values(TrainSettings))
    asked = {"blocks": F.blocks, "decoder_blocks": F.decoder_blocks}
    config = dataclasses.replace(
        folder.config, **{name: count for name, count in asked.items() if count is not None}
    )
    if config.gains < 2 or config.normalisation != "gdn":
        raise cli.UserError(f"{F.model}: only models with gains and GDN can be trained there.")
    form = Form(**{name: getattr(config, name) for name in Form._fields})
    about = {
        "name": folder.path.name,
        "form": form._asdict(),
        "lambda1": [settings.lambda1, settings.lambda1_top],
        "lr": settings.lr,
    }
    arrays = {
        name: array
        for name, array in folder.weights().items()
        if name.startswith(("features/", "reconstruction/")) and name != CURVATURE
    }
    files.write(F.weights, about, arrays)


def tiles() -> None:
    """Packs --extra_images into --weights."""
    from PIL import Image

    pack(
        Image.open(path).convert("RGB")
        for path in sorted(glob.glob(F.extra_images, recursive=True))
    )


def lesson() -> None:
    """Packs crops of --extra_images into --weights, as `training.teacher` cuts them."""
    from PIL import Image

    from training.teacher import prepare

    paths = [pathlib.Path(p) for p in sorted(glob.glob(F.extra_images, recursive=True))]
    seed = TrainSettings(**values(TrainSettings)).seed
    pack(map(Image.fromarray, prepare(paths, F.first + F.count, seed)[F.first :]))


def pack(pictures: Iterable[Image.Image]) -> None:
    """Writes pictures as AVIF to --weights."""
    from tqdm import tqdm

    blobs = []
    for picture in tqdm(pictures, disable=None):
        file = io.BytesIO()
        picture.save(file, "AVIF", quality=F.quality, subsampling="4:4:4", speed=7)
        blobs.append(file.getvalue())
    sizes = np.array([len(b) for b in blobs])
    np.savez(F.weights, data=np.frombuffer(b"".join(blobs), np.uint8), sizes=sizes)


def networks() -> None:
    """Writes the teacher's networks to --weights; the first is the one that heads end with."""
    from models.efficientnet import LITE0, LITE1, LITE2, EfficientNet

    about, arrays = {}, {}
    for variant in (LITE0, LITE1, LITE2):
        weights = variant.weights()
        strides = EfficientNet(weights).strides
        about[variant.name] = {"strides": strides, "side": variant.side}
        arrays |= {f"{variant.name}/{n}": a.astype(np.float16) for n, a in weights.items()}
    files.write(F.weights, {"networks": about}, arrays)


def take_head() -> None:
    """Makes a model folder of a head that was trained, in --out."""
    from data import sources
    from deepsic import store
    from training import head

    folder = store.find(F.model)
    about, arrays = files.read(F.weights)
    model = head.load(folder, head.config_of(folder, "post", "decoder"))
    head.assign(model, arrays)
    card = {"command": "python3 -m tools.gpu.heads", **about}
    labelled = sources.open_source(F.dataset, "train", F.data_dir)
    made = head.finish(folder, model, labelled, pathlib.Path(F.out), card, print)
    print(f"{made.path}: a head of the model {made.fingerprints[0].hex()}.")


def take() -> None:
    """Makes a model folder of what was trained, in --out."""
    from data import sources
    from deepsic import store
    from models import weights
    from models.deepsic import DeepSIC
    from training import run

    folder = store.find(F.model)
    about, arrays = files.read(F.weights)
    form = about["form"]
    config = dataclasses.replace(
        folder.config,
        blocks=form["blocks"],
        decoder_blocks=form["decoder_blocks"],
        head="paper",
        head_input="features",
    )
    source = sources.open_source(F.dataset, "train", F.data_dir)
    extra = sources.open_extra(F.extra_images, cli.warn) if F.extra_images else None
    config = dataclasses.replace(config, classes=len(source.labels))
    model = DeepSIC(config, "context")
    model.create_variables()
    for name, variable in weights.named_variables(model).items():
        if not name.startswith(weights.HEAD):
            variable.assign(arrays[name])
    told = ("batch", "patch", "lr", "steps")
    settings = dataclasses.replace(
        TrainSettings(**values(TrainSettings)),
        lambda1=about["lambda1"][0],
        lambda1_top=about["lambda1"][1],
        lambda2=0.0,
        surrogate="soft",
        rate="context",
        clip=1.0,
        ema=0.999,
        schedule="cosine",
        warmup=300,
        prior_lr=1.5e-3,
        parts=("features", "prior", "reconstruction"),
        **{name: about[name] for name in told},
    )
    context = ContextSettings(**values(ContextSettings, ContextSettings.PREFIX))
    every = 1 + len(about["curve"]) // 20
    curve = [{k: round(v, 4) for k, v in point.items()} for point in about["curve"][::every]]
    card = {"command": "python3 -m tools.gpu.train", "weights": "moving averages", "curve": curve}
    best = folder.best_steps
    made = run.finish(
        model, settings, pathlib.Path(F.out), source, extra, context, card, folder, best
    )
    print(f"{made.path}: the model {made.fingerprints[0].hex()}.")


def main(rest):
    made = (start, tiles, take, lesson, networks, take_head)
    commands = {command.__name__: command for command in made}
    if len(rest) != 1 or rest[0] not in commands:
        raise cli.UserError(f"give one of {', '.join(commands)}.")
    commands[rest[0]]()


if __name__ == "__main__":
    cli.run(main, __doc__)
