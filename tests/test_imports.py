"""Arrows go one way: scripts → evaluation, training → models, data → deepsic."""

import ast
import pathlib
import subprocess
import sys

import pytest

from deepsic.commands import COMMANDS

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What each package may import of the project, besides itself.
BELOW = {
    "deepsic": set(),
    "data": {"deepsic"},
    "models": {"deepsic"},
    "training": {"deepsic", "data", "models"},
    "evaluation": {"deepsic", "data", "models"},
    "tools": {"deepsic", "data", "models", "training", "evaluation"},
}
OURS = {*BELOW, *COMMANDS, "tests", "train", "evaluate", "demo"}
TENSORFLOW = {"tensorflow", "tensorflow_compression", "keras", "tf_keras", "tensorflow_datasets"}


def imported(path):
    """Top-level names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by dots"
            yield node.module.split(".")[0]


def files(package):
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("package", BELOW)
def test_no_package_imports_one_above_it(package):
    for path in files(package):
        upwards = set(imported(path)) & OURS - BELOW[package] - {package}
        assert not upwards, f"{path.relative_to(ROOT)} imports {upwards}"


def test_the_library_does_not_import_tensorflow():
    for path in files("deepsic"):
        assert not set(imported(path)) & TENSORFLOW, path


@pytest.mark.parametrize("script", [f"{c}.py" for c in COMMANDS])
def test_commands_import_the_library_only(script):
    assert set(imported(ROOT / script)) & OURS == {"deepsic"}


def test_a_picture_goes_through_without_tensorflow_in_the_process():
    code = (
        "import sys, deepsic, numpy as np\n"
        "x = np.full((40, 50, 3), 99, np.uint8)\n"
        "y, label = deepsic.decompress(deepsic.load().compress(x))\n"
        "assert y.shape == x.shape\n"
        f"print(*({TENSORFLOW!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_importing_the_library_is_quick():
    """Labels are read in less time than NumPy or Pillow take to import."""
    code = (
        "import sys, deepsic, deepsic.commands.search\n"
        "heavy = {'numpy', 'PIL.Image', 'ai_edge_litert', 'pyarrow', 'ray', 'starlette'}\n"
        "print(*(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")
