"""Trains a DeepSIC model, fits its context classifier and exports it.

    python train.py --arch=pre --lambda1=0.01 --lambda2=0.1 --out=runs/pre

The same command resumes an interrupted run. Defaults are the paper's.

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

from deepsic.config import PRETRAINED_CLASSES, ModelConfig
from deepsic.fields import BEYOND, EVERYDAY
from training.flags import define, describe, values
from training.settings import ContextSettings, TrainSettings

OTHER_FLAGS = "another host trains with other flags, data or code; give all hosts the same ones."

F = flags.FLAGS
for _settings, _prefix in (
    (ModelConfig, ""),
    (TrainSettings, ""),
    (ContextSettings, ContextSettings.PREFIX),
):
    define(_settings, _prefix)

flags.DEFINE_string(
    "dataset",
    "imagenet2012",
    "Labelled pictures: a TFDS set by its name, or folder:PATH with PATH/train/CLASS/*.jpg.",
    module_name=EVERYDAY,
)
flags.DEFINE_string(
    "data_dir", None, "Folder of TFDS's sets; TFDS has a default.", module_name=EVERYDAY
)
flags.DEFINE_string(
    "extra_images", None, "Glob of unlabelled pictures to mix in.", module_name=EVERYDAY
)
flags.DEFINE_enum(
    "strategy",
    "auto",
    ["auto", "cpu", "gpu", "mirrored", "multi_worker"],
    "Devices: `auto` takes all GPUs or else the CPU, `mirrored` all GPUs, `multi_worker` several"
    " hosts.",
    module_name=EVERYDAY,
)
flags.DEFINE_string(
    "init_from", None, "Model to start from: its name or folder.", module_name=EVERYDAY
)
flags.DEFINE_string(
    "out",
    "runs/deepsic",
    "Folder of checkpoints, logs and the exported model.",
    module_name=EVERYDAY,
)
flags.DEFINE_string("refit", None, "Model that only gets new coding tables.", module_name=EVERYDAY)
flags.DEFINE_bool(
    "export_now",
    False,
    "Export the last checkpoint instead of training on.",
    module_name=EVERYDAY,
)
flags.DEFINE_float(
    "checkpoint_minutes", 5.0, "Minutes between two checkpoints.", 0, module_name=EVERYDAY
)
flags.DEFINE_enum(
    "teacher",
    "efficientnet-lite",
    ["efficientnet-lite"],
    "Networks that a pretrained head learns from.",
    module_name=BEYOND,
)


def _config(classes, folder):
    """The model's configuration: that of --init_from's model, with what flags were given."""
    if F.head == "pretrained":
        classes = PRETRAINED_CLASSES
    if folder is None:
        config, start = ModelConfig(**values(ModelConfig), classes=classes), None
    else:
        given, start = values(ModelConfig, given=True), folder.config
        config = dataclasses.replace(start, **given | {"arch": F.arch, "classes": classes})
    kept = start and (start.head, start.head_input)
    if F.head == "pretrained" and kept != (config.head, config.head_input):
        raise ValueError(
            "--head=pretrained trains a codec under a head that is there: name a model with that"
            " head by --init_from, or make one by --parts=semantics."
        )
    return config


def main(rest):
    if rest:
        raise cli.UserError(f"train.py takes flags only, not {rest[0]!r}.")
    try:
        settings = TrainSettings(**values(TrainSettings))
        context = ContextSettings(**values(ContextSettings, ContextSettings.PREFIX))
        ModelConfig(**values(ModelConfig))  # complains before any data is opened
        if settings.init_scale != 1.0 and not F.init_from:
            raise ValueError("--init_scale scales another model; name it with --init_from.")
        if F.head == "pretrained" and settings.parts == ("semantics",) and not F.refit:
            return _make_head(settings)
        return _refit(context, settings.seed) if F.refit else _train(settings, context)
    except (ValueError, OSError) as error:
        raise cli.UserError(str(error)) from error


def _refit(context, seed):
    from data import sources
    from deepsic import store
    from training import run, tables

    folder = store.find(F.refit)
    try:
        run.check_patches(context, folder.config)
        source = sources.open_source(F.dataset, "train", F.data_dir)
        extra = sources.open_extra(F.extra_images, cli.warn) if F.extra_images else None
        refitted = tables.refit(folder, context, source, extra, seed)
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

    if not (F.init_from and F.extra_images):
        raise ValueError(
            "--head=pretrained with --parts=semantics is made for a finished codec: it needs"
            " --init_from=MODEL and --extra_images=GLOB."
        )
    paths = sorted(map(pathlib.Path, glob.glob(F.extra_images, recursive=True)))
    card = {"command": folder.public(["python", "train.py", *sys.argv[1:]])}
    try:
        codec = store.find(F.init_from)
        arch = F.arch if F["arch"].present else codec.arch
        config = head.config_of(codec, arch, F.head_input)
        labelled = sources.open_source(F.dataset, "train", F.data_dir)
        made = head.make(codec, config, paths, labelled, settings, pathlib.Path(F.out), card, print)
    except (sources.MissingDataset, Missing) as error:
        raise cli.UserError(str(error)) from error
    print(f"{made.path}: the model {made.fingerprints[0].hex()} with a new {arch} head.")


def _train(settings, context):
    from data import sources
    from deepsic import store
    from training import folder, hosts, loop, run, strategies

    out = pathlib.Path(F.out)
    try:
        arch = F.arch if F.head == "pretrained" else None  # no other arch's head fits
        init = store.find(F.init_from, arch) if F.init_from else None
        strategy = strategies.make_strategy(F.strategy)
        here = hosts.Hosts(strategy)
        source = sources.open_source(F.dataset, "train", F.data_dir)
        extra = sources.open_extra(F.extra_images, cli.warn) if F.extra_images else None
        config = _config(len(source.labels), init)
        # Complain before hours of training.
        run.labels_of(source)
        run.check_patches(context, config, settings.patch)
        start = init.fingerprints[-1].hex() if init else None  # refits leave it alone
        record = folder.record_of(config, settings, source.labels, start)
        with here.together():
            here.check_same(folder.number_of(record), OTHER_FLAGS)
        with folder.claimed(out, record, loop.has_checkpoint(out), here.chief):
            exported = _run(out, config, settings, context, source, extra, init, strategy)
    except (sources.MissingDataset, loop.Stopped, folder.OtherRun, hosts.HostLost) as error:
        raise cli.UserError(str(error)) from error
    if exported is None:
        print(f"host {here.index} of {here.count} is done; host 0 writes the model.", flush=True)
        return _export_alone() if here.chief else None
    print(f"{exported.path}: the model {exported.fingerprints[0].hex()}.")


def _export_alone():
    """Makes this process one that exports the last checkpoint.

    TensorFlow fails in a cluster that another host has left, and the others are done.
    """
    sys.stderr.flush()
    alone = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    flags_now = [*sys.argv[1:], "--strategy=auto", "--export_now"]
    os.execve(sys.executable, [sys.executable, sys.argv[0], *flags_now], alone)


def _run(out, config, settings, context, source, extra, init, strategy):
    """Trains, or trains on, and exports; returns the model's folder, or None of several hosts."""
    from training import folder, loop, run

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
    if training.hosts.count > 1:
        return None
    return run.export(training, out, source, extra, context, card, init)


if __name__ == "__main__":
    cli.run(main, __doc__ + describe())
