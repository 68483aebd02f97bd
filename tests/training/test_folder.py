"""A run's folder belongs to one run, and to one process at a time."""

import dataclasses
import json
import subprocess
import sys

import pytest

from deepsic.errors import BadFile
from tests.models.tiny import tiny_config
from training.folder import RECORD, OtherRun, claimed, public, record_of
from training.settings import TrainSettings

LABELS = ("cat", "dog", "emu")


@pytest.mark.parametrize(
    ("flag", "shown"),
    [
        ("--dataset=folder:/home/me/sets/dogs", "--dataset=folder:DATA/dogs"),
        ("--dataset=folder:/home/me/sets/dogs/", "--dataset=folder:DATA/dogs"),
        ("--extra_images=~/all/photos/**/*.jpg", "--extra_images=DATA/photos/**/*.jpg"),
        ("--extra_images=/*", "--extra_images=DATA/*"),
        ("--init_from=../runs/a/model", "--init_from=DATA/model"),
        ("--dataset=folder:~bob/sets/dogs", "--dataset=folder:DATA/dogs"),
        ("--dataset=folder:/home/me/my sets/dogs", "--dataset=folder:DATA/dogs"),
        ("--extra_images=a/../../me/x/*.jpg", "--extra_images=DATA/x/*.jpg"),
        ("--out=runs/a", "--out=runs/a"),
        ("--decay_at=0.5,0.8", "--decay_at=0.5,0.8"),
    ],
)
def test_cards_do_not_tell_of_folders_of_this_machine(flag, shown):
    assert public(["python", "train.py", flag]) == f"python train.py {shown}"


def record(labels=LABELS, start=None, config=None, **settings):
    settings = dataclasses.replace(TrainSettings(), **settings)
    return record_of(config or tiny_config(), settings, labels, start)


def claim(folder, record, trained=True):
    with claimed(folder, record, trained):
        pass


def test_the_same_run_is_resumed_with_more_steps(tmp_path):
    claim(tmp_path / "deep" / "run", record(), trained=False)
    claim(tmp_path / "deep" / "run", record(steps=10**9))
    kept = json.loads((tmp_path / "deep" / "run" / RECORD).read_text())
    assert kept["lambda1"] == 0.01
    assert "steps" not in kept


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"lr": 0.5}, "--lr=0.003, not --lr=0.5:"),
        ({"seed": 2}, "--seed=1, not --seed=2:"),
        ({"decay_at": (0.1, 0.2)}, "--decay_at=0.5,0.8, not --decay_at=0.1,0.2:"),
        ({"config": tiny_config(filters=6)}, "--filters=8, not --filters=6:"),
        ({"config": tiny_config(arch="post")}, "--arch=pre, not --arch=post:"),
        ({"start": "7d15ca7d"}, "--init_from=None, not --init_from=7d15ca7d:"),
        ({"labels": ("dog", "cat", "emu")}, "classes of"),
    ],
)
def test_another_run_is_refused_by_what_is_different(tmp_path, changes, text):
    claim(tmp_path, record())
    with pytest.raises(OtherRun) as error:
        claim(tmp_path, record(**changes))
    assert text in str(error.value)
    assert "--out" in str(error.value)
    claim(tmp_path, record())  # what was kept has not been changed
    claim(tmp_path, record(**changes), trained=False)


def test_folders_without_a_record_are_resumed(tmp_path):
    claim(tmp_path, record())
    (tmp_path / RECORD).unlink()
    claim(tmp_path, record(lr=0.5))


def test_records_without_a_newer_setting_are_resumed(tmp_path):
    (tmp_path / RECORD).write_text('{"lr": 0.003}')
    claim(tmp_path, record())
    (tmp_path / RECORD).write_text("{")
    with pytest.raises(OtherRun, match="cannot be read"):
        claim(tmp_path, record())


def test_only_one_process_has_a_folder(tmp_path):
    code = (
        "import sys, pathlib; from training.folder import claimed\n"
        "with claimed(pathlib.Path(sys.argv[1]), {}, False): print(1, flush=True), sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"1\n"
    with pytest.raises(OtherRun, match="another process"):
        claim(tmp_path, record())
    with claimed(tmp_path, {}, True, alone=False):
        pass
    other.communicate()
    claim(tmp_path, {})


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadFile, match="run cannot be written"):
        claim(tmp_path / "file" / "run", {})
