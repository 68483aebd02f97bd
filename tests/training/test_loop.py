"""Whole runs: interrupted, resumed to the same bits, and given up when they diverge."""

import os
import resource
import shutil
import signal
import sys

import numpy as np
import pytest
import tensorflow as tf

from data.sources import Source
from tests.models.tiny import tiny_config
from training import loop
from training.loss import Losses
from training.run import build_model
from training.settings import TrainSettings
from training.strategies import make_strategy

STEPS, STOP = 5, 2


def make_run(folder, minutes=5.0, **changes):
    values = {"steps": STEPS, "batch": 4, "patch": 32, "lambda2": 1.0, "lr": 1e-3, "ema": 0.9}
    settings = TrainSettings(**(values | changes))
    strategy = make_strategy("cpu")
    model = build_model(tiny_config(), settings, strategy, None)
    return loop.Run(folder, model, settings, strategy, minutes)


def state(run):
    """Every number that a run carries on, by name."""
    variables = list(run.model.variables)
    for adam in run.optimisers.adams:
        variables += adam.variables
    named = {f"{i} {v.name}": v.numpy() for i, v in enumerate(variables)}
    return named | {"step": int(run.step.step), "skipped": int(run.step.skipped)}


class Before:
    """A step that does something else before a certain one."""

    def __init__(self, step, number, action):
        self.inner, self.number, self.action = step, number, action

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __call__(self, batch):
        if int(self.inner.step) == self.number:
            self.action()
        return self.inner(batch)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_resumed_run_ends_with_the_bits_of_an_unbroken_one(tmp_path, source):
    whole = make_run(tmp_path / "whole", minutes=0)
    assert whole.resume() == 0
    # What would be left on the disk, had the machine died in the middle.
    left = tmp_path / "left"
    whole.step = Before(
        whole.step, STOP, lambda: shutil.copytree(tmp_path / "whole" / "train", left / "train")
    )
    whole.train(source, source)
    assert int(whole.step.step) == STEPS

    second = make_run(left)
    assert second.resume() == STOP
    assert 0 < float(second.seconds) < float(whole.seconds)
    assert not np.array_equal(*(r.model.features.convs[0].kernel for r in (whole, second)))
    second.train(source, source)
    assert_same(state(second), state(whole))

    # The last checkpoint holds them as well.
    third = make_run(left)
    assert third.resume() == STEPS
    assert_same(state(third), state(whole))


@pytest.mark.usefixtures("eagerly")
def test_signal_stops_a_run_after_saving_it(tmp_path, source):
    handlers = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    run = make_run(tmp_path, parts=("prior",))
    run.step = Before(run.step, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(loop.Interrupted, match="step 2;"):
        run.train(source, None)
    assert [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)] == handlers
    again = make_run(tmp_path, parts=("prior",))
    assert again.resume() == 2
    assert_same(state(again), state(run))


@pytest.fixture
def trained(tmp_path, source, eagerly):
    """The folder of a run of two steps, saved after each."""
    run = make_run(tmp_path / "run", minutes=0, steps=2, parts=("prior",))
    run.train(source, None)
    return tmp_path / "run"


def resumed(folder, **changes):
    run = make_run(folder, parts=("prior",), **changes)
    return run.resume(), run


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(trained, capsys):
    data = trained / "train" / "ckpt-2.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    assert resumed(trained)[0] == 1
    assert "ckpt-2 cannot be read" in capsys.readouterr().err
    data = trained / "train" / "ckpt-1.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(loop.Unreadable, match="--out"):
        resumed(trained)


def test_checkpoints_of_another_model_are_not_resumed(trained, monkeypatch):
    other = tiny_config(filters=6)
    monkeypatch.setattr(sys.modules[__name__], "tiny_config", lambda: other)
    with pytest.raises(loop.Unreadable, match="fits"):
        resumed(trained)


def test_what_a_killed_save_left_is_removed(trained):
    folder = trained / "train"
    whole = sorted(p.name for p in folder.iterdir())
    (folder / "ckpt-3_temp").mkdir()
    (folder / "ckpt-3_temp" / "part-00000").write_bytes(b"half")
    for name in ("ckpt-3.data-00000-of-00001", "ckpt-3.index.tempstate7", "checkpoint.tmp8"):
        (folder / name).write_bytes(b"half")
    (folder / "ckpt-best.index").write_bytes(b"somebody's own")
    assert resumed(trained)[0] == 2
    assert sorted(p.name for p in folder.iterdir()) == sorted([*whole, "ckpt-best.index"])


def test_nothing_is_removed_where_no_list_says_what_is_whole(trained):
    (trained / "train" / "checkpoint").unlink()
    before = sorted(p.name for p in (trained / "train").iterdir())
    assert resumed(trained)[0] == 0
    assert sorted(p.name for p in (trained / "train").iterdir()) == before


def test_a_checkpoint_that_cannot_be_written_stops_the_run_and_leaves_the_last(trained):
    _, run = resumed(trained)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(loop.CannotSave, match=r"run cannot be written: .*resumes it\."):
            run.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert resumed(trained)[0] == 2


@pytest.mark.usefixtures("eagerly")
def test_a_picture_that_cannot_be_decoded_is_said_so(tmp_path, source):
    run = make_run(tmp_path, parts=("prior",))
    bad = tf.data.Dataset.from_tensors({"image": b"\xff\xd8\xff", "label": np.int64(-1)})
    with pytest.raises(loop.BadPicture, match="cannot be decoded"):
        run.train(source, Source(bad.repeat(4), 4, ()))
    assert loop.has_checkpoint(tmp_path)


@pytest.mark.usefixtures("eagerly", "spoiled")
def test_run_whose_loss_stays_undefined_is_given_up(tmp_path, source, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY", 2)
    monkeypatch.setattr(loop, "BAD_STEPS", 3)
    run = make_run(tmp_path, parts=("features", "prior", "reconstruction"))
    with pytest.raises(loop.TrainingDiverged, match=r"up to step 4: lower --lr"):
        run.train(source, None)


@pytest.fixture
def report(tmp_path):
    """Reports means over some steps; the run is not trained."""
    run = make_run(tmp_path)

    class Bar:
        disable = True

        def set_postfix_str(self, text):
            pass

    return lambda **values: run._report(
        Losses(**({"total": 1, "rate": 2, "distortion": 3, "semantic": 4, "accuracy": 0} | values)),
        5.0,
        Bar(),
    )


def test_report_has_units(report, capsys):
    report(total=3.5, rate=0.25, distortion=65.025, accuracy=0.5)
    assert capsys.readouterr().out == "step 0 L 3.500 R 0.250 bpp D 30.00 dB acc 0.500 5 img/s\n"


@pytest.mark.parametrize(
    "distortion",
    [
        0.0,
        float("nan"),
        float("inf"),
    ],
)
def test_report_of_any_distortion_is_printed(report, capsys, distortion):
    report(distortion=distortion)
    assert "step 0" in capsys.readouterr().out
