"""Many pictures to an archive in Parquet files, on this machine or on a cluster.

    deepsic bulk IN OUT [--model=NAME|DIR] [--bpp=0.5] [--format=parquet|files]
    deepsic bulk IN OUT --cluster=ADDRESS
    deepsic bulk IN OUT --classify
    deepsic bulk IN OUT --pack
    deepsic bulk IN OUT --unpack

IN is a folder, a file or a quoted glob, on this machine or at an address such as
s3://bucket/folder; pictures in tar files are taken as well. OUT is a folder or an
address. Ray is started on this machine, or joined at --cluster. A run that was
killed goes on when the same command is called again; pictures that came since are
added. A picture that cannot be coded is a row with the reason.

--classify asks the heads of `post` models about the .dsic files and Parquet archives in
IN and writes an archive with their labels. --pack makes an archive of loose .dsic files,
--unpack loose files of an archive; neither decodes anything.
"""

from __future__ import annotations

import math
import pathlib

from absl import flags

from deepsic import cli, container, formats, labels, treecode

F = flags.FLAGS
flags.DEFINE_string("model", None, "A shipped model's name, or a model's folder; else ARCH-0.5bpp.")
flags.DEFINE_float(
    "bpp",
    None,
    "Bits per pixel that files stay below, by choice of model and step.",
    0,
)
flags.DEFINE_enum("arch", "pre", ["pre", "post"], "Which of the shipped models are meant.")
flags.DEFINE_string("cluster", None, "Address of a Ray cluster, or auto; else Ray is started here.")
flags.DEFINE_integer("workers", None, "Processes on this machine; else one a processor.", 1)
flags.DEFINE_enum("format", "parquet", ["parquet", "files"], "What is written to OUT.")
flags.DEFINE_bool("classify", False, "Ask the heads of post models about files of theirs.")
flags.DEFINE_bool("pack", False, "Make an archive of loose .dsic files.")
flags.DEFINE_bool("unpack", False, "Make loose .dsic files of an archive.")
flags.DEFINE_bool("overwrite", False, "Let --unpack replace files.")
flags.DEFINE_list("models", [], "Folders of further models, for files of these.")
flags.DEFINE_integer("block", 64, "Pictures that are done, and done again, together.", 1)
flags.DEFINE_integer("shard_mb", 256, "Size of a Parquet file, megabytes.", 1)
flags.DEFINE_integer("max_pixels", None, "Refuse larger pictures than this.", 1)
flags.DEFINE_float(
    "semantic_threshold",
    labels.THRESHOLD,
    "How likely a label must be; it is as specific as that allows, in steps of 1/16.",
    0,
    15 / 16,
)
flags.DEFINE_integer(
    "semantic_topk", 0, "Likeliest classes besides the label.", 0, treecode.MOST_ALTERNATIVES
)


def main(rest: list[str]) -> int:
    """Runs the command with its arguments that are no flags; returns the exit code."""
    if len(rest) != 2:
        raise cli.UserError("it takes two arguments: IN and OUT.")
    actions = [name for name in ("classify", "pack", "unpack") if F[name].value]
    if len(actions) > 1:
        raise cli.UserError(f"--{actions[0]} and --{actions[1]} do not go together.")
    if actions and (F.model or F.bpp is not None or F.format != "parquet"):
        raise cli.UserError(f"--{actions[0]} takes no --model, --bpp and --format.")
    if F.bpp is not None and (F.model or not math.isfinite(F.bpp)):
        raise cli.UserError("--bpp takes a number such as 0.5, and chooses among shipped models.")
    if actions == ["unpack"]:
        return _unpack(*rest)
    return _run(actions[0] if actions else "compress", *rest)


def _unpack(source: str, out: str) -> int:
    from deepsic.archives import shards
    from deepsic.bulk.unpack import unpack

    found = [shards.Shard(place) for place in shards.find(source)]
    count, bad = unpack(found, pathlib.Path(out), F.overwrite, cli.warn)
    print(f"{count} files in {out}.")
    return 1 if bad else 0


def _settings(action: str, source: str, out: str):
    from deepsic import store
    from deepsic.archives.places import is_address
    from deepsic.bulk.settings import Settings

    arch = F.arch if F["arch"].present else None
    folders = []
    if action == "compress":
        folders = store.choose(F.model or None, arch, has_target=F.bpp is not None)
    return Settings(
        action=action,
        source=source if is_address(source) else str(pathlib.Path(source).absolute()),
        out=out if is_address(out) else str(pathlib.Path(out).absolute()),
        models=tuple(folder.reference for folder in folders),
        fingerprints=tuple(f"{f.arch} {f.fingerprints[0].hex()}" for f in folders),
        further=tuple(str(pathlib.Path(name).absolute()) for name in F.models),
        bpp=F.bpp,
        format=F.format,
        threshold=F.semantic_threshold,
        topk=F.semantic_topk,
        max_pixels=F.max_pixels,
        block=F.block,
    )


def _run(action: str, source: str, out: str) -> int:
    from deepsic import extras
    from deepsic.archives.places import EXTRA

    extras.need(EXTRA, "pyarrow")
    from deepsic.bulk import inputs
    from deepsic.bulk.cluster import Alone, Cluster
    from deepsic.bulk.manifest import Manifest
    from deepsic.bulk.run import Run

    kinds = {
        "compress": formats.extensions(),
        "classify": inputs.CODED,
        "pack": {container.EXTENSION},
    }[action]
    settings = _settings(action, source, out)
    found = list(inputs.find(settings.source, kinds, F.block))
    if not found:
        raise cli.UserError(f"{source} holds no file with one of: {' '.join(sorted(kinds))}")
    manifest = Manifest(settings)
    fresh = manifest.add(found)
    if settings.format == "files":
        _check_distinct(found)
    print(f"{len(found)} in {source}, {fresh} of them new; {manifest.count} blocks.", flush=True)
    if not any(manifest.pending()):
        print(f"{out} has them all.")
        return 0
    cluster = Alone() if action == "pack" else Cluster(F.cluster, F.workers)
    try:
        run = Run(settings, manifest, cluster, F.shard_mb << 20)
        outcome = run.finish(lambda line: print(line, flush=True))
    finally:
        cluster.close()
    _print(outcome)
    return 0


def _check_distinct(found) -> None:
    from deepsic.bulk.work import target

    seen: dict[str, str] = {}
    for each in found:
        if target(each.path) in seen:
            raise cli.UserError(
                f"{seen[target(each.path)]} and {each.path} would both be written to"
                f" {target(each.path)}; rename one, or use --format=parquet."
            )
        seen[target(each.path)] = each.path


def _print(outcome) -> None:
    if outcome.before:
        print(f"{outcome.before} blocks had been done before.")
    for node, rows in outcome.nodes.items():
        print(f"node {node[:8]}: {rows} rows")
    rate = outcome.rows / max(outcome.seconds, 1e-9)
    each = outcome.work / max(outcome.rows, 1)
    print(
        f"{outcome.rows} rows, {outcome.bad} of them with a reason instead of a file, in"
        f" {outcome.seconds:.1f} s: {rate:.1f} a second; {each:.3f} s of a worker each."
    )
