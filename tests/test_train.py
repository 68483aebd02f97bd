"""What train.py makes of its flags; in a process of its own, where no other command's stand."""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys

import pytest

from deepsic import fields
from deepsic.config import ModelConfig
from training.settings import ContextSettings, TrainSettings

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIGURE = """
import sys, types, train
from deepsic.config import ModelConfig
train.F(["train.py", *sys.argv[2:]])
other = ModelConfig(filters=24, latents=7, normalisation="gdn", head_width=16, classes=9)
folder = types.SimpleNamespace(config=other) if sys.argv[1] == "from" else None
print(train._config(5, folder).to_json())
"""


def configure(start, *arguments):
    command = [sys.executable, "-c", CONFIGURE, start, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("start", "arguments", "expected"),
    [
        ("new", [], {"filters": 128, "latents": 128, "normalisation": "batch", "head_width": 128}),
        ("new", ["--filters=32"], {"filters": 32, "latents": 128}),
        ("from", [], {"filters": 24, "latents": 7, "normalisation": "gdn", "head_width": 16}),
        ("from", ["--arch=post"], {"arch": "post", "latents": 7}),
        (
            "from",
            ["--head_width=80", "--head_depth=1"],
            {"head_width": 80, "head_depth": 1, "filters": 24, "normalisation": "gdn"},
        ),
        ("from", ["--strides=4,2,2,1"], {"strides": [4, 2, 2, 1], "latents": 7}),
    ],
)
def test_flags_given_change_the_model_that_a_run_starts_from(start, arguments, expected):
    found = configure(start, *arguments)
    assert {name: found[name] for name in expected} == expected
    assert found["classes"] == 5


@pytest.mark.parametrize("start", ["new", "from"])
def test_no_codec_learns_under_a_pretrained_head_that_is_not_there(start):
    command = [sys.executable, "-c", CONFIGURE, start, "--head=pretrained"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "ValueError: --head=pretrained" in done.stderr


def test_help_shows_every_setting_once_under_its_group():
    done = subprocess.run(
        [sys.executable, "train.py", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    place = [done.stdout.index(f"\n{group}:\n") for group in fields.GROUPS]
    assert place == sorted(place)
    for cls, prefix in ((ModelConfig, ""), (TrainSettings, ""), (ContextSettings, "context_")):
        for field in dataclasses.fields(cls):
            found = [m.start() for m in re.finditer(f"--{prefix}{field.name}: ", done.stdout)]
            group = field.metadata["group"]
            assert len(found) == (group is not None), field.name
            for at in found:
                assert sum(p < at for p in place) == fields.GROUPS.index(group) + 1, field.name


def test_lists_of_numbers_are_refused_by_their_flag():
    command = [sys.executable, "train.py", "--strides=4,b,1,1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "--strides takes numbers" in done.stderr
    assert "Traceback" not in done.stderr


def test_scaling_needs_a_model_to_scale():
    command = [sys.executable, "train.py", "--init_scale=0.5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "--init_from" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_starts_from_the_scaled_model(tmp_path):
    from deepsic import store
    from tools.robustness.small_models import make_model
    from training import run, strategies

    folder = store.find(make_model(tmp_path / "model", "pre").path)
    strategy = strategies.make_strategy("cpu")
    plain, scaled = (
        run.build_model(folder.config, TrainSettings(init_scale=s), strategy, folder)
        for s in (1.0, 0.5)
    )
    kernel, half = (m.features.convs[-1].kernel.numpy() for m in (plain, scaled))
    assert abs(kernel).max() > 0
    assert half == pytest.approx(0.5 * kernel)


def test_a_codec_learns_on_under_its_pretrained_head(tmp_path):
    from deepsic import store
    from deepsic.codec import Codec
    from tools.robustness.small_models import make_model
    from tools.robustness.small_pictures import encoded, photograph
    from training import head

    codec = make_model(tmp_path / "codec", "pre", gains=2)
    model = head.load(codec, head.config_of(codec, "post", "decoder"))
    start = head.save(tmp_path / "start", codec, model, {})
    for i in range(4):
        path = tmp_path / "set" / "train" / "a" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(photograph(i, 64, 64)))
    command = [sys.executable, "train.py", f"--dataset=folder:{tmp_path / 'set'}"]
    command += ["--head=pretrained", f"--init_from={start.path}", "--rate=context"]
    command += ["--surrogate=soft", "--crop=plain", "--precision=bfloat16", "--ema=0.9"]
    command += ["--lambda1_top=0.1", "--batch=2", "--patch=64", "--steps=2"]
    command += [f"--out={tmp_path / 'run'}", "--context_steps=2", "--context_maps=8"]
    command += ["--context_patch=64", "--context_per_gain=1"]
    wrong = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode != 0
    assert "has no pre model" in wrong.stderr
    done = subprocess.run([*command, "--arch=post"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    trained = store.find(tmp_path / "run" / "model")
    assert trained.config == start.config
    assert trained.fingerprints != start.fingerprints
    before, after = start.weights(), trained.weights()
    for name in ("features/conv1/kernel", "semantics/map/kernel"):
        assert before[name].shape == after[name].shape
        assert (before[name] != after[name]).any()
    file = Codec(trained).compress(photograph(1, 70, 90))
    assert Codec(trained).decompress(file)[0].shape == (70, 90, 3)


def test_several_rates_under_contexts_are_trained_and_exported(tmp_path):
    from deepsic import store
    from deepsic.codec import Codec
    from tools.robustness.small_pictures import encoded, photograph

    for name in ("a", "b"):
        for i in range(3):
            path = tmp_path / "set" / "train" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(photograph(i, 64, 64)))
    command = [sys.executable, "train.py", f"--dataset=folder:{tmp_path / 'set'}"]
    command += ["--rate=context", "--gains=2", "--bits=8", "--blocks=1", "--decoder_blocks=2"]
    command += [
        "--surrogate=soft",
        "--crop=plain",
        "--precision=bfloat16",
        "--normalisation=gdn",
        "--start=linear",
    ]
    command += ["--filters=8", "--latents=8", "--head_width=8", "--batch=2", "--patch=64"]
    command += ["--lambda1_top=0.1", "--steps=2", f"--out={tmp_path / 'run'}"]
    command += [
        "--context_steps=2",
        "--context_maps=8",
        "--context_patch=64",
        "--context_per_gain=1",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    codec = Codec(store.find(tmp_path / "run" / "model"))
    assert codec.config.trained_steps[-1] == 32
    sizes = []
    for step in (0, 16, 32):
        data = codec.at(step).compress(photograph(1, 70, 90))
        x_hat, _ = codec.decompress(data)
        assert x_hat.shape == (70, 90, 3)
        sizes.append(len(data))
    assert sizes[0] < sizes[-1]
