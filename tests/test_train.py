"""What train.py makes of its flags; in a process of its own, where no other command's stand."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIGURE = """
import sys, types, train
from models.config import ModelConfig
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
