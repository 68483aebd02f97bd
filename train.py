"""Trains a DeepSIC model, fits its context classifier and exports it.

    python train.py --arch=pre --lambda1=0.01 --lambda2=0.1 --out=runs/pre

The same command resumes an interrupted run. Defaults are the paper's; --help
names the units of every flag.

    python train.py --refit=MODEL [--context_steps=3000]

only fits new coding tables to a finished model. Files coded with its older
tables stay readable.
"""

import dataclasses
import os
import pathlib
import sys

from absl import flags

from deepsic import cli

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from deepsic.config import PARTS, ModelConfig
from training.settings import ContextSettings, TrainSettings

_M, _S = ModelConfig(), TrainSettings()
F = flags.FLAGS

flags.DEFINE_enum("arch", _M.arch, ["pre", "post"], "Where the semantic head stands.")
flags.DEFINE_integer("filters", _M.filters, "Width of every stage.")
flags.DEFINE_integer("latents", _M.latents, "Channels that are coded.")
flags.DEFINE_list("strides", list(_M.strides), "Subsampling of the four stages.")
flags.DEFINE_list("kernels", list(_M.kernels), "Kernel side of the four stages.")
flags.DEFINE_integer("bits", _M.bits, "B of eq. 1.")
flags.DEFINE_integer(
    "gains", _M.gains, "Rates that the model knows; 0 for one. It is trained, not exported yet."
)
flags.DEFINE_integer("blocks", _M.blocks, "Residual blocks at the coarsest resolution, each side.")
flags.DEFINE_enum("normalisation", _M.normalisation, ["batch", "gdn"], "Of every stage.")
flags.DEFINE_float("skip_gain", _M.skip_gain, "Initial gain of the skip paths.")
flags.DEFINE_enum(
    "head",
    _M.head,
    ["paper", "pretrained"],
    "Semantic head: the paper's, trained from labels; or a map before a pretrained network, made"
    " for a finished codec with --parts=semantics, --init_from and --extra_images.",
)
flags.DEFINE_enum(
    "teacher", "efficientnet-lite", ["efficientnet-lite"], "Whom a pretrained head learns from."
)
flags.DEFINE_integer("head_width", _M.head_width, "Filters of the head's first convolution.")
flags.DEFINE_integer("head_depth", _M.head_depth, "Residual blocks after each of its first three.")

flags.DEFINE_float("lambda1", _S.lambda1, "Weight of D (MSE, 0-255 scale); R is in bpp.")
flags.DEFINE_float("lambda1_top", _S.lambda1_top, "Its value at the highest rate of --gains.")
flags.DEFINE_float("lambda2", _S.lambda2, "Weight of L_sem (nats); R is in bpp.")
flags.DEFINE_integer("steps", _S.steps, "Iterations.")
flags.DEFINE_integer("batch", _S.batch, "Patches an iteration, over all devices.")
flags.DEFINE_integer("patch", _S.patch, "Side of a patch, pixels.")
flags.DEFINE_float("least_area", _S.least_area, "Smallest share of a picture in a patch.")
flags.DEFINE_enum("crop", _S.crop, ["resized", "plain"], "How patches are cut from pictures.")
flags.DEFINE_integer("seed", _S.seed, "Of initialisation, order, crops and noise.")
flags.DEFINE_float("lr", _S.lr, "Initial learning rate of the networks.")
flags.DEFINE_float("prior_lr", _S.prior_lr, "Initial learning rate of the prior.")
flags.DEFINE_float("fc_lr_factor", _S.fc_lr_factor, "Fully connected layers' rate over --lr.")
flags.DEFINE_enum("schedule", _S.schedule, ["steps", "cosine"], "How the rate falls.")
flags.DEFINE_float("decay", _S.decay, "Factor of each decay of --schedule=steps.")
flags.DEFINE_list("decay_at", list(_S.decay_at), "When, as fractions of --steps.")
flags.DEFINE_integer("warmup", _S.warmup, "Steps over which the rate rises.")
flags.DEFINE_float("clip", _S.clip, "Largest gradient norm; 0 for none.")
flags.DEFINE_float("ema", _S.ema, "Momentum of the weights' moving average; 0 for none.")
flags.DEFINE_enum(
    "rate", _S.rate, ["marginal", "context"], "What measures R; with context, no export yet."
)
flags.DEFINE_enum(
    "surrogate", _S.surrogate, ["noise", "mixed", "soft"], "What the decoder is trained on."
)
flags.DEFINE_enum(
    "precision", _S.precision, ["float32", "bfloat16"], "Of the convolutions in training."
)
flags.DEFINE_enum("start", _S.start, ["random", "linear"], "Initial kernels.")
flags.DEFINE_list("parts", list(PARTS), "Parts of the model that learn.")
flags.DEFINE_float("label_smoothing", _S.label_smoothing, "Of the class labels.")

flags.DEFINE_string("dataset", "imagenet2012", "A TFDS set, or folder:PATH with PATH/train/CLASS.")
flags.DEFINE_string("data_dir", None, "Of TFDS.")
flags.DEFINE_string("extra_images", None, "Glob of unlabelled photographs to mix in.")
flags.DEFINE_float("extra_share", _S.extra_share, "Their share of a batch.")
flags.DEFINE_enum(
    "strategy", "auto", ["auto", "cpu", "gpu", "mirrored", "multi_worker"], "Devices."
)
flags.DEFINE_string("init_from", None, "A model to start from: its name or folder.")
flags.DEFINE_float(
    "init_scale",
    _S.init_scale,
    "Of its features; for another rate, the root of (new --lambda1) / (its own).",
)
flags.DEFINE_string("out", "runs/deepsic", "Folder of checkpoints, logs and the exported model.")
flags.DEFINE_string("refit", None, "A model that only gets new coding tables.")
flags.DEFINE_bool("export_now", False, "Export the last checkpoint instead of training on.")
flags.DEFINE_float("checkpoint_minutes", 5.0, "Between two checkpoints.", 0)


for _field in dataclasses.fields(ContextSettings):
    _kinds = {"int": flags.DEFINE_integer, "float": flags.DEFINE_float, "str": flags.DEFINE_string}
    _define = _kinds[_field.type]
    _define(f"context_{_field.name}", _field.default, "Of fitting the context classifier.")


def _values(cls, prefix=""):
    """The flags that are fields of a dataclass, in the fields' types."""
    names = [f.name for f in dataclasses.fields(cls) if prefix + f.name in F]
    values = {name: getattr(F, prefix + name) for name in names}
    numbers = {"strides": int, "kernels": int, "decay_at": float, "parts": str}
    for name, kind in numbers.items():
        if name in values:
            try:
                values[name] = tuple(kind(v) for v in values[name])
            except ValueError as error:
                raise ValueError(f"--{prefix}{name} takes numbers: {error}.") from error
    return values


def _config(classes, folder):
    """The model's configuration: of the flags, but of --init_from's model where none is given."""
    values = _values(ModelConfig)
    if folder is None:
        return ModelConfig(**values, classes=classes)
    given = {name: value for name, value in values.items() if F[name].present}
    return dataclasses.replace(folder.config, **given | {"arch": F.arch, "classes": classes})


def main(rest):
    if rest:
        raise cli.UserError(f"train.py takes flags only, not {rest[0]!r}.")
    try:
        settings, context = TrainSettings(**_values(TrainSettings)), _context()
        ModelConfig(**_values(ModelConfig))  # complains before any data is opened
        unknown = set(settings.parts) - set(PARTS)
        if unknown:
            raise ValueError(f"--parts has no {unknown.pop()}; it takes {', '.join(PARTS)}.")
        if settings.init_scale != 1.0 and not F.init_from:
            raise ValueError("--init_scale scales another model; name it with --init_from.")
        if F.head == "pretrained" and not F.refit:
            return _make_head(settings)
        return _refit(context, settings.seed) if F.refit else _train(settings, context)
    except (ValueError, OSError) as error:
        raise cli.UserError(str(error)) from error


def _context():
    return ContextSettings(**_values(ContextSettings, "context_"))


def _refit(context, seed):
    from data import sources
    from deepsic import store
    from training import run

    folder = store.find(F.refit)
    try:
        run.check_patches(context, folder.config)
        source = sources.open_source(F.dataset, "train", F.data_dir)
        extra = sources.open_extra(F.extra_images, cli.warn) if F.extra_images else None
        refitted = run.refit(folder, context, source, extra, seed)
    except sources.MissingDataset as error:
        raise cli.UserError(str(error)) from error
    print(f"{refitted.path}: new tables {refitted.fingerprints[0].hex()}.")


def _make_head(settings):
    """A pretrained head for a finished codec; only its map learns."""
    import glob

    from data import sources
    from deepsic import store
    from models.efficientnet import Missing
    from training import folder, head

    if settings.parts != ("semantics",) or not (F.init_from and F.extra_images):
        raise ValueError(
            "--head=pretrained is made for a finished codec: it needs --parts=semantics,"
            " --init_from=MODEL and --extra_images=GLOB."
        )
    paths = sorted(map(pathlib.Path, glob.glob(F.extra_images, recursive=True)))
    card = {"command": folder.public(["python", "train.py", *sys.argv[1:]])}
    try:
        codec = store.find(F.init_from, F.arch if F["arch"].present else None)
        labelled = sources.open_source(F.dataset, "train", F.data_dir)
        made = head.make(codec, paths, labelled, settings, pathlib.Path(F.out), card, print)
    except (sources.MissingDataset, Missing) as error:
        raise cli.UserError(str(error)) from error
    print(f"{made.path}: the model {made.fingerprints[0].hex()} with a new {codec.arch} head.")


def _train(settings, context):
    from data import sources
    from deepsic import store
    from training import folder, loop, run

    out = pathlib.Path(F.out)
    try:
        init = store.find(F.init_from) if F.init_from else None
        source = sources.open_source(F.dataset, "train", F.data_dir)
        extra = sources.open_extra(F.extra_images, cli.warn) if F.extra_images else None
        config = _config(len(source.labels), init)
        # Complain before hours of training.
        run.labels_of(source)
        run.check_patches(context, config, settings.patch)
        start = init.fingerprints[-1].hex() if init else None  # refits leave it alone
        record = folder.record_of(config, settings, source.labels, start)
        alone = F.strategy != "multi_worker"
        with folder.claimed(out, record, loop.has_checkpoint(out), alone):
            exported = _run(out, config, settings, context, source, extra, init)
    except (sources.MissingDataset, loop.Stopped, folder.OtherRun) as error:
        raise cli.UserError(str(error)) from error
    print(f"{exported.path}: the model {exported.fingerprints[0].hex()}.")


def _run(out, config, settings, context, source, extra, init):
    """Trains, or trains on, and exports; returns the model's folder."""
    from training import folder, loop, run, strategies

    strategy = strategies.make_strategy(F.strategy)
    run.set_precision(settings.precision)
    model = run.build_model(config, settings, strategy, init)
    # Before the optimisers are made: their moving averages begin with these weights.
    if not loop.has_checkpoint(out):
        run.start(model, settings, source, extra, init)
    training = loop.Run(out, model, settings, strategy, F.checkpoint_minutes)
    step = training.resume()
    if step:
        print(f"{out}: resumed at step {step}.")
    card = {"command": folder.public(["python", "train.py", *sys.argv[1:]])}
    if not F.export_now:
        training.train(source, extra)
    return run.export(training, out, source, extra, context, card, init)


if __name__ == "__main__":
    cli.run(main, __doc__)
