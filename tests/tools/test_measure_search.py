"""The measurement of searches, on tiny models and on an archive whose scores are known."""

import re

import pytest
from PIL import Image

from deepsic import taxonomy
from deepsic.registry import Registry
from deepsic.search import reading
from tests.calls import call
from tests.deepsic.search.files import CLASSES, write_pre
from tools.benchmarks import search_tables
from tools.robustness.small_models import photo

TENCH, SPRINGER, CHURCH = CLASSES


@pytest.fixture
def archive(tmp_path):
    """Two right labels, one wrong one, one right but general one."""
    write_pre(tmp_path / "0.dsic", [0.9, 0.1, 0.0])
    write_pre(tmp_path / "1.dsic", [0.0, 0.9, 0.1])
    write_pre(tmp_path / "2.dsic", [0.0, 0.9, 0.1])
    write_pre(tmp_path / "3.dsic", [0.4, 0.4, 0.2])
    return reading.read([str(tmp_path)], Registry(), 10**6, pytest.fail)


@pytest.fixture
def truth(tmp_path, archive):
    shown = zip("0123", (TENCH, SPRINGER, CHURCH, TENCH), strict=True)
    return search_tables.Truth(
        taxonomy.imagenet(), {f"{tmp_path}/{n}.dsic": name for n, name in shown}
    )


def cells(lines, name):
    (line,) = [line for line in lines if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_searches_are_scored_against_the_classes(tmp_path, archive, truth):
    flat = {f"{tmp_path}/{i}.dsic": c for i, c in enumerate((TENCH, SPRINGER, SPRINGER, TENCH))}
    lines = search_tables.search_table(truth, archive, {"flat id": flat})
    assert cells(lines, "whole")[1:] == ["3", "4", "100.0%", "100.0%", "100.0%", "100.0%"]
    assert cells(lines, "vertebrate")[1:] == ["2", "3", "75.0%", "100.0%", "75.0%", "100.0%"]
    assert cells(lines, "tench")[1:] == ["1", "2", "100.0%", "50.0%", "100.0%", "100.0%"]
    assert cells(lines, "church")[1:] == ["1", "1", "–", "0.0%", "–", "0.0%"]
    assert len(lines) == 4 + 5


def test_labels_are_true_if_the_class_is_below_them(tmp_path, archive, truth):
    flat = {f"{tmp_path}/{i}.dsic": c for i, c in enumerate((TENCH, SPRINGER, SPRINGER, SPRINGER))}
    lines = search_tables.label_tables(truth, archive, flat)
    assert "* true: 75.0% of the labels, 50.0% flat" in lines
    assert cells(lines, "18") == ["18", "2", "50.0%"]
    assert cells(lines, "0") == ["0", "4", "0.0", "100.0%"]


@pytest.mark.parametrize("arch", ["pre", "post"])
def test_a_folder_of_pictures_is_measured(request, tmp_path, arch):
    folder = request.getfixturevalue(arch)
    for i, name in enumerate(CLASSES):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.fromarray(photo(40 + i, 48)).save(tmp_path / "data" / name / "a.png")
    arguments = [
        "-m", "tools.benchmarks.measure_search",
        f"--data={tmp_path}/data", f"--model={folder.path}", f"--out={tmp_path}/out", "--files=30",
    ]  # fmt: skip
    out, _ = call(*arguments)
    assert "| whole | 3 | 3 | 100.0% | 100.0% | 100.0%" in out
    assert re.search(r"first search, 3 files: \d", out)
    assert (tmp_path / "out" / folder.path.name / "report.md").read_text() == out
    _, err = call(*arguments, "--semantic_threshold=0.9", code=1)
    assert "another semantic_threshold" in err
