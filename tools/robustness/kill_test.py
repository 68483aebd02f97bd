"""Kills the commands at random moments and looks at what they leave.

    python -m tools.robustness.kill_test [--kills=20] [--commands=compress,train]

Every command works on small pictures with an untrained model. After each kill -9 there may be
temporary files (.NAME.????????.tmp), but what has its own name is whole; the same command,
started again, keeps it and finishes the work. A training run that was killed many times ends
with the weights of one that never was, bit for bit.
"""

import csv
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from deepsic import cli, files

F = flags.FLAGS
flags.DEFINE_integer("kills", 20, "Number of kills of each command.", 1)
flags.DEFINE_list("commands", ["compress", "decompress", "train", "evaluate"], "Commands to kill.")
flags.DEFINE_integer("seed", 1, "Seed of the moments.")

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURES, STEPS = 24, 60


class Broken(Exception):
    """Something was lost or left that must not be."""


class Coding:
    """compress.py or decompress.py on a folder: what is there is whole, and stays."""

    def __init__(self, arguments, whole):
        self.arguments, self.whole, self.kept = [*arguments, "--skip_existing"], whole, {}

    def command(self, out):
        """To start, and start again."""
        script, source, *rest = self.arguments
        return [script, source, out, *rest]

    def check(self, out):
        """Raises Broken if a file is not what it is in the end, or was written twice."""
        for path in _finished(out):
            name = path.relative_to(out)
            if path.read_bytes() != (self.whole / name).read_bytes():
                raise Broken(f"{path} is not whole.")
            status = path.stat()
            now = status.st_ino, status.st_mtime_ns
            if self.kept.setdefault((out, name), now) != now:
                raise Broken(f"{path} was made again.")

    def check_end(self, out):
        """Raises Broken if something is missing or left over."""
        self.check(out)
        if _names(out) != _names(self.whole):
            raise Broken(f"{out} does not hold what it should: {_names(out) ^ _names(self.whole)}")


class KilledCommand:
    """A command that takes its folder as --out, and what it made when it was left alone."""

    def __init__(self, arguments, whole):
        self.arguments, self.whole = arguments, whole

    def command(self, out):
        """To start, and start again."""
        return [*self.arguments, f"--out={out}"]


class Training(KilledCommand):
    """train.py: checkpoints that are listed can be read, and the end is that of a whole run."""

    def check(self, out):
        """Raises Broken if the last checkpoint or the exported model is damaged."""
        import tensorflow as tf

        from deepsic import folders

        last = tf.train.latest_checkpoint(str(out / "train"))
        if last:
            _tensors(last)
        if (out / "model" / folders.CARD).exists():
            folder = folders.open_folder(out / "model")
            for name in folder.manifest["sha256"]:
                folder.read(name)

    def check_end(self, out):
        """Raises Broken if a number differs from the unbroken run's."""
        import numpy as np
        import tensorflow as tf

        self.check(out)
        ends = [_tensors(tf.train.latest_checkpoint(str(o / "train"))) for o in (out, self.whole)]
        if ends[0].keys() != ends[1].keys():
            raise Broken(f"{out} has other variables than an unbroken run.")
        for name, value in ends[0].items():
            if not np.array_equal(value, ends[1][name]):
                raise Broken(f"{name} differs from the unbroken run's.")
        for path in (out / "model" / "tables").glob("*"):
            if (
                path.suffix in (".npz",)
                and not (self.whole / "model" / "tables" / path.name).exists()
            ):
                raise Broken(f"{path} has another fingerprint than the unbroken run's.")
        for pattern in ("train/*_temp*", "train/*.temp*", "**/.*.tmp"):
            if left := list(out.glob(pattern)):
                raise Broken(f"{left[0]} was left over.")


class Evaluation(KilledCommand):
    """evaluate.py: every table that is there has all its lines."""

    def check(self, out):
        """Raises Broken if a table has not the lines that it has in the end."""
        for path in _finished(out):
            other = self.whole / path.relative_to(out)
            if path.suffix == ".csv" and other.exists() and _shape(path) != _shape(other):
                raise Broken(f"{path} is not whole.")
            if path.suffix == ".json":
                json.loads(path.read_text())

    def check_end(self, out):
        """Raises Broken if something is missing."""
        self.check(out)
        tables = {p.name for p in self.whole.glob("*.csv")}
        if missing := tables - {p.name for p in out.glob("*.csv")}:
            raise Broken(f"{out} lacks {missing}.")


def _shape(path):
    with open(path, newline="") as table:
        return [len(row) for row in csv.reader(table)]


def _tensors(checkpoint):
    """All numbers of a checkpoint, but for the time that it took."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(checkpoint)
    names = (n for n in reader.get_variable_to_shape_map() if n.endswith("VARIABLE_VALUE"))
    own = ("seconds/", "save_counter/")
    return {n: reader.get_tensor(n) for n in names if not n.startswith(own)}


def _finished(out):
    """Files in a folder that have their own names."""
    return [p for p in out.rglob("*") if p.is_file() and not files.is_temporary(p.name)]


def _names(out):
    return {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}


def start(command):
    """A command in a group of its own, silent."""
    arguments = [sys.executable, *map(str, command)]
    return subprocess.Popen(
        arguments, cwd=ROOT, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(case, out):
    """Runs a command to its end; returns the seconds to its first file, and all that it took."""
    before, process = time.monotonic(), start(case.command(out))
    first = None
    while process.poll() is None and first is None:
        time.sleep(0.02)
        if _finished(out):
            first = time.monotonic() - before
    _, err = process.communicate()
    if process.returncode:
        raise Broken(f"{case.arguments[0]} failed: {err.strip()[-500:]}")
    seconds = time.monotonic() - before
    return first or seconds, seconds


def kill_many(case, folder, first, seconds):
    """Starts, kills and looks, until there were enough kills.

    Half of the moments lie before the command's first file (mostly imports), half after.

    Args:
      case: the command.
      folder: where it works.
      first: seconds that it takes to its first file.
      seconds: seconds that it takes in all.

    Returns:
      How many runs ended first, and how many kills left something behind them.
    """
    from tqdm import tqdm

    rng, killed, ended, midway = random.Random(F.seed), 0, 0, 0
    out = folder / "out0"
    with tqdm(total=F.kills, desc=case.arguments[0], unit="kill") as bar:
        while killed < F.kills:
            out.mkdir(parents=True, exist_ok=True)
            process = start(case.command(out))
            try:
                early = rng.random() < 0.5
                moment = rng.uniform(0.2, first) if early else rng.uniform(first, seconds)
                process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                killed += 1
                midway += bool(_finished(out))
                bar.update()
                case.check(out)
            else:
                if process.returncode:
                    raise Broken(f"{case.arguments[0]} ended with {process.returncode}.")
                ended += 1
                case.check_end(out)
                out = folder / f"out{ended}"
    finish(case, out)
    case.check_end(out)
    return ended + 1, midway


def cases(root):
    """The commands with what they work on, by name; each makes its own `whole` first."""
    from deepsic.images import write_image
    from tools.robustness.small_models import make_model, photo
    from tools.robustness.small_pictures import write_class_folders

    model = f"--model={make_model(root / 'm', 'pre').path}"
    pictures, coded = root / "in", root / "whole" / "compress"
    rng = random.Random(0)
    for i in range(PICTURES):
        name = f"ä b/{i}.png" if i % 3 else f"{i} 語.png"
        write_image(pictures / name, photo(rng.randint(1, 250), rng.randint(1, 250)))
    for name in ("a", "b"):
        write_image(root / "large" / f"{name}.png", photo(180, 200))
    tiny = "--filters=8 --latents=8 --head_width=8 --batch=4 --patch=32 --ema=0.9 --lr=0.001"
    short = "--context_steps=3 --context_maps=8 --context_patch=64 --context_hidden=4"
    training = [
        "train.py", f"--dataset=folder:{write_class_folders(root / 'classes')}", *tiny.split(),
        *short.split(), f"--steps={STEPS}", "--strategy=cpu", "--checkpoint_minutes=0.001",
    ]  # fmt: skip
    return {
        "compress": (Coding, ["compress.py", pictures, model]),
        "decompress": (Coding, ["decompress.py", coded, model]),
        "train": (Training, training),
        "evaluate": (
            Evaluation,
            ["evaluate.py", f"--images={root}/large/*.png", model.replace("model", "models", 1)],
        ),
    }


def main(rest):
    if rest:
        raise cli.UserError(f"kill_test takes flags only, not {rest[0]!r}.")
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        known = cases(root)
        if unknown := set(F.commands) - set(known):
            raise cli.UserError(f"there is no command {unknown.pop()}.")
        for command, (kind, arguments) in known.items():
            if command not in F.commands and not (
                command == "compress" and "decompress" in F.commands
            ):
                continue
            whole = root / "whole" / command
            case = kind(arguments, whole)
            try:
                times = finish(case, whole)
                if command in F.commands:
                    ended, midway = kill_many(case, root / command, *times)
                    print(
                        f"{command}: {F.kills} kills survived, {midway} of them with part of the"
                        f" work done; {ended} runs finished.",
                        flush=True,
                    )
            except Broken as error:
                raise cli.UserError(str(error)) from error


if __name__ == "__main__":
    cli.run(main, __doc__)
