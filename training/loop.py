"""The training run: batches in, checkpoints and logs out, any number of interruptions."""

from __future__ import annotations

import contextlib
import math
import pathlib
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator

import tensorflow as tf
from tqdm import tqdm

from data.sources import Source
from models.deepsic import DeepSIC
from training.batches import batches_of
from training.hosts import Hosts
from training.loss import Losses
from training.optimisers import Optimisers
from training.rates import draw_rates
from training.settings import TrainSettings
from training.step import TrainStep
from training.strategies import distribute

REPORT_EVERY = 50
PICTURES_EVERY = 2000
BAD_STEPS = 25


class Stopped(Exception):
    """The run ended early; the message is one sentence that says why and what to do."""


class TrainingDiverged(Stopped):
    """The loss stays non-finite; the message says what to change."""


class Unreadable(Stopped):
    """The checkpoints are damaged or of another model."""


class CannotSave(Stopped):
    """A checkpoint could not be written; those before are still there."""


class BadPicture(Stopped):
    """A picture of the dataset cannot be decoded."""


class Interrupted(Stopped):
    """The run was asked to stop, and has saved its state."""


def has_checkpoint(folder: pathlib.Path) -> bool:
    """Whether a run in this folder would resume."""
    return tf.train.latest_checkpoint(str(folder / "train")) is not None


def _first_line(error: Exception) -> str:
    text = getattr(error, "message", None) or getattr(error, "strerror", None) or str(error)
    return text.strip().splitlines()[0].rstrip(".")[:200]


def _number(path: str | pathlib.Path) -> int:
    """The step in the name of a checkpoint's file; -1 for other files."""
    match = re.match(r"ckpt-(\d+)", pathlib.Path(path).name)
    return int(match[1]) if match else -1


class Run:
    """A resumable training run in a folder.

    Of several hosts the first alone writes: every one holds all that a checkpoint needs.

    Args:
      folder: receives `train/` checkpoints and `logs/` for TensorBoard; all hosts share it.
      model: with its variables made, under `strategy`.
      settings: of the run.
      strategy: see `training.strategies`.
      checkpoint_minutes: between two saves.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        model: DeepSIC,
        settings: TrainSettings,
        strategy: tf.distribute.Strategy,
        checkpoint_minutes: float = 5.0,
    ) -> None:
        self.folder = folder
        self.model = model
        self.settings = settings
        self.strategy = strategy
        self.hosts = Hosts(strategy)
        if settings.batch % strategy.num_replicas_in_sync:
            raise ValueError(
                f"--batch must be a multiple of {strategy.num_replicas_in_sync}, the number of"
                " devices that share it."
            )
        with strategy.scope():
            self.optimisers = Optimisers(model, settings)
            self.step = TrainStep(model, self.optimisers, settings, strategy)
        # Time spent in training, over all interruptions.
        self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self.checkpoint = tf.train.Checkpoint(
            model=model,
            adams=self.optimisers.adams,
            averages=self.optimisers.averages,
            step=self.step.step,
            skipped=self.step.skipped,
            in_a_row=self.step.in_a_row,
            seconds=self.seconds,
        )
        self.manager = tf.train.CheckpointManager(
            self.checkpoint, str(folder / "train"), max_to_keep=2
        )
        with self._writing():
            self.writer = (
                tf.summary.create_file_writer(str(folder / "logs"))
                if self.hosts.chief
                else tf.summary.create_noop_writer()
            )
        self.checkpoint_seconds = checkpoint_minutes * 60
        self._stop = False
        self._clock = time.monotonic()

    def resume(self) -> int:
        """Restores the newest checkpoint, if there is one; returns the step reached.

        Raises:
          Unreadable: if none of those that are there can be read.
        """
        if self.hosts.chief:
            self._remove_leftovers()
        kept = self.manager.checkpoints
        for path in reversed(kept):
            try:
                self.checkpoint.restore(path).assert_existing_objects_matched()
                return int(self.step.step.numpy())
            except Exception:  # TensorFlow raises nearly anything on damage or other shapes
                print(f"{path} cannot be read; an older one is tried.", file=sys.stderr)
        if kept:
            raise Unreadable(f"no checkpoint in {self.folder / 'train'} fits; name another --out.")
        return 0

    def _remove_leftovers(self) -> None:
        """What a process that was killed while it saved has left behind."""
        newest = max((_number(p) for p in self.manager.checkpoints), default=None)
        for path in (self.folder / "train").glob("c*"):
            name = path.name
            unlisted = newest is not None and _number(path) > newest
            if unlisted or "_temp" in name or ".temp" in name or name.startswith("checkpoint.tmp"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def train(self, source: Source, extra: Source | None) -> None:
        """Runs to `settings.steps`.

        Raises:
          TrainingDiverged: after many steps in a row without a finite gradient.
          Interrupted: on SIGTERM or SIGINT, after saving.
          HostLost: if other hosts are gone, or do not go on from the same step.
        """
        first = int(self.step.step.numpy())
        self._clock = time.monotonic()
        old = {s: signal.signal(s, self._ask_to_stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            with (
                tqdm(
                    total=self.settings.steps,
                    initial=first,
                    unit="step",
                    disable=not (self.hosts.chief and sys.stderr.isatty()),
                ) as bar,
                self.hosts.together() as alive,
            ):
                self.hosts.check_same(
                    first,
                    f"{self.folder} is at step {first} here and elsewhere at another: give all"
                    " hosts the same --out, in a folder that they share.",
                )
                self._loop(self._batches(source, extra, first), bar, alive)
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
            with self._writing():
                self.writer.flush()

    def _ask_to_stop(self, *_) -> None:
        self._stop = True

    def _batches(self, source: Source, extra: Source | None, first: int) -> Iterator:
        s = self.settings
        share = (self.hosts.index, self.hosts.count)
        for data in batches_of(
            s, source, extra, batch=s.batch, seed=s.seed, first_step=first, share=share
        ):
            yield from distribute(self.strategy, self.hosts, data)

    def _loop(self, batches: Iterator, bar: tqdm, alive: Callable[[], None]) -> None:
        sums, count, since = [0.0] * len(Losses._fields), 0, time.monotonic()
        saved = time.monotonic()
        while (step := int(self.step.step.numpy())) < self.settings.steps:
            batch = self._next(batches)
            losses = self.step(batch)
            sums = [a + float(b) for a, b in zip(sums, losses, strict=True)]
            count += 1
            alive()
            bar.update()
            if (step + 1) % REPORT_EVERY == 0:
                rate = count * self.settings.batch / (time.monotonic() - since)
                self._report(Losses(*(v / count for v in sums)), rate, bar)
                sums, count, since = [0.0] * len(sums), 0, time.monotonic()
            if self.hosts.chief and (step + 1) % PICTURES_EVERY == 0:
                self._show_pictures(batch)
            late = self.hosts.chief and time.monotonic() - saved > self.checkpoint_seconds
            # Any host may be asked to stop; then all do, after the same step.
            (stop,) = self.hosts.any(self._stop)
            if stop or late:
                self.save()
                saved = time.monotonic()
            if stop:
                raise Interrupted(f"stopped at step {step + 1}; the same command resumes it.")
        self.save()

    def _next(self, batches: Iterator):
        try:
            return next(batches)
        except tf.errors.InvalidArgumentError as error:
            self.save()
            raise BadPicture(
                f"a training picture cannot be decoded ({_first_line(error)}); remove it, and the"
                " same command resumes the run."
            ) from error

    def save(self) -> None:
        """Writes a checkpoint now; raises CannotSave where there is no place for it.

        Only the first host does.
        """
        if not self.hosts.chief:
            return
        now = time.monotonic()
        self.seconds.assign_add(now - self._clock)
        self._clock = now
        with self._writing():
            self.manager.save(checkpoint_number=int(self.step.step.numpy()))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            raise CannotSave(
                f"{self.folder} cannot be written: {_first_line(error)}; what was saved before is"
                " there, and the same command resumes it."
            ) from error

    def _report(self, mean: Losses, rate: float, bar: tqdm) -> None:
        if int(self.step.in_a_row.numpy()) >= BAD_STEPS:
            raise TrainingDiverged(
                f"the loss was not finite for {BAD_STEPS} steps in a row, up to step"
                f" {int(self.step.step.numpy())}: lower --lr or set --clip, and start anew in"
                " another --out; --export_now and --init_from keep what this one has learnt."
            )
        if not self.hosts.chief:
            return
        psnr = 20 * math.log10(255) - 10 * math.log10(max(mean.distortion, 1e-9))
        text = (
            f"L {mean.total:.3f} R {mean.rate:.3f} bpp D {psnr:.2f} dB"
            f" acc {mean.accuracy:.3f} {rate:.0f} img/s"
        )
        bar.set_postfix_str(text)
        if bar.disable:  # a log file
            print(f"step {int(self.step.step.numpy())} {text}", flush=True)
        with self._writing(), self.writer.as_default(step=int(self.step.step.numpy())):
            for name, value in mean._asdict().items():
                tf.summary.scalar(name, value)
            tf.summary.scalar("psnr", psnr)
            tf.summary.scalar("images_per_second", rate)
            tf.summary.scalar("skipped_steps", self.step.skipped)
            for i, adam in enumerate(self.optimisers.adams):
                tf.summary.scalar(f"learning_rate/{i}", adam.learning_rate)

    def _show_pictures(self, batch) -> None:
        x = self.strategy.experimental_local_results(batch)[0]["x"][-4:]
        rates = draw_rates(self.settings, self.model.config.gains, len(x), tf.constant([0, 0]))
        x_hat = tf.clip_by_value(self.model(x, rates.rate_index).x_hat, 0.0, 255.0)
        with self._writing(), self.writer.as_default(step=int(self.step.step.numpy())):
            tf.summary.image("x_and_x_hat", tf.concat([x, x_hat], axis=2) / 255.0, max_outputs=4)
