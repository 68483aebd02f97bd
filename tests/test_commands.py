"""What the commands share: help, mistakes, the way from a picture to its file and back."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from deepsic import __version__
from tests.calls import ROOT, call
from tools.robustness.small_models import make_model, photo


def test_compress_and_decompress_a_file(pre, coded, tmp_path):
    path, line = coded
    size = path.stat().st_size
    assert line.startswith(f"{path}: {size} bytes, {8 * size / 3500:.3f} bpp, ")
    out, _ = call("decompress.py", path, tmp_path / "out.png", f"--model={pre.path}")
    assert "70×50" in out
    assert np.asarray(Image.open(tmp_path / "out.png")).shape == (50, 70, 3)


def test_json_lines(pre, coded, tmp_path):
    path, line = coded
    out, _ = call("decompress.py", path, tmp_path / "a.png", "--json", f"--model={pre.path}")
    record = json.loads(out)
    assert record["target"] == str(tmp_path / "a.png")
    assert (record["width"], record["height"], record["bytes"]) == (70, 50, path.stat().st_size)
    assert record["label"]["name"] in line


@pytest.mark.parametrize("script", ["compress.py", "decompress.py", "search.py", "demo.py"])
def test_short_help(script):
    out, _ = call(script, "-h")
    assert "--" in out or script == "demo.py"
    if script != "demo.py":
        out, _ = call(script, "--version")
        assert out == f"deepsic {__version__}\n"
        assert call("-m", "deepsic", "--version")[0] == out


@pytest.mark.parametrize(
    "arguments",
    [
        ["compress.py", "a.png", "--model=nothing"],
        ["compress.py", "text.png"],
        ["compress.py", "a.png", "a.png/b.dsic"],
        ["compress.py", "b.png", "--skip_existing"],
        ["decompress.py", "text.png", "c.png"],
    ],
)
def test_cheap_checks_come_first(arguments, tmp_path):
    Image.fromarray(photo(9, 9)).save(tmp_path / "a.png")
    Image.fromarray(photo(9, 9)).save(tmp_path / "b.png")
    (tmp_path / "b.dsic").write_bytes(b"x")
    (tmp_path / "text.png").write_text("no picture")
    code = (
        "import os, runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, os.getcwd())\n"
        "os.chdir(sys.argv.pop())\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    script, *rest = arguments
    _, err = call("-c", code, ROOT / script, *rest, tmp_path)
    *said, loaded = err.splitlines()
    assert len(said) == 1
    assert not {"ai_edge_litert", "threadpoolctl"} & set(loaded.split())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.dsic", "b.png", "text.png"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["compress.py", "nowhere.png", "out.dsic"], "does not exist"),
        (["compress.py"], "at least one"),
        (["compress.py", "README.md", "-o", "/dev/null/x.dsic"], "no folder"),
        (["compress.py", "README.md", "/tmp/looks.png"], ".dsic"),
        (["compress.py", "README.md", "/tmp/x.dsic", "--bpp=nan"], "--bpp"),
        (["compress.py", "README.md", "LICENSE", "/tmp/x.dsic"], "must be a folder"),
        (["compress.py", "README.md", "/tmp/x.dsic", "--bpp=1", "--psnr=30"], "exclude"),
        (["compress.py", "README.md", "/tmp/x.dsic", "--max_bytes=lots"], "--max_bytes"),
        (["compress.py", "README.md", "/tmp/x.dsic", "--quality=101"], "--quality"),
        (["compress.py", "README.md", "/tmp/x.dsic", "--runtime=none"], "--runtime"),
        (["compress.py", "README.md", "/tmp/x.dsic", "--model=nothing"], "nothing"),
        (["compress.py", "--colour=red"], "--help"),
        (["decompress.py", "README.md", "/tmp/x.png"], "no .dsic file"),
        (["decompress.py", "README.md", "--verify", "--semantics_only"], "--verify"),
        (["decompress.py", "README.md", "--format=xyz"], ".png"),
        (["evaluate.py"], "--images"),
        (["evaluate.py", "--images=nowhere*.png"], "nowhere"),
        (["evaluate.py", "--images=docs/*", "--models=nothing"], "nothing"),
        (["evaluate.py", "--images=docs/*", "--references=gif"], "gif"),
        (["evaluate.py", "--dataset=folder:/nowhere"], "no folder"),
        (["train.py", "--dataset=folder:/nowhere"], "no folder"),
        (["train.py", "--strides=4,2"], "strides"),
        (["train.py", "--strides=4,2,x,1"], "strides"),
        (["train.py", "--parts=nose"], "nose"),
        (["train.py", "--batch=0"], "--batch"),
        (["train.py", "--refit=nothing"], "nothing"),
        (["-m", "tools.benchmarks.ablation", "--images=docs/*", "--models=nothing"], "nothing"),
        (["-m", "tools.benchmarks.parts", "--models=nothing"], "nothing"),
        (["-m", "tools.benchmarks.parts", "--threads=a"], "--threads"),
        (["-m", "tools.benchmarks.large", "--megapixels=a"], "--megapixels"),
        (["-m", "tools.benchmarks.measure_search", "--data=/nowhere"], "--data"),
        (["-m", "tools.release.publish", "--results=/nowhere"], "/nowhere"),
        (["-m", "tools.release.publish", "--model=a", "--name=../a", "--data=b"], "../a"),
    ],
)
def test_mistakes_get_one_sentence(arguments, hint):
    code = 2 if {"--colour=red", "--runtime=none"} & set(arguments) else 1
    _, err = call(*arguments, code=code)
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert hint in lines[0]


def test_many_models_in_one_process_are_no_cause_for_warnings(tmp_path, picture):
    """TensorFlow warns of a function that is traced five times."""
    path = tmp_path / "checkpoints"
    for i in range(6):
        make_model(path / f"post-{i}bpp", "post", [f"c{i}", "dog"])
    code = (
        "import pathlib, sys; from deepsic import store; from deepsic.codec import Codec;"
        "from PIL import Image; x = Image.open(sys.argv[1]);"
        f"store.CHECKPOINTS = pathlib.Path({str(path)!r});"
        "print([len(Codec(f, runtime='tensorflow').compress(x)) > 0 for f in store.shipped()])"
    )
    out, err = call("-c", code, picture)
    assert out.count("True") == 6
    assert err == ""


def test_evaluate_writes_tables_and_a_page(pre, tmp_path):
    Image.fromarray(photo(170, 180)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    arguments = [f"--models={pre.path}", "--references=jpeg420", f"--out={tmp_path}/r"]
    out, err = call("evaluate.py", f"--images={tmp_path}/*.png", *arguments, code=1)
    assert "JPEG 4:2:0" in out
    assert "b.png" in err
    rows = (tmp_path / "r" / "rd.csv").read_text().splitlines()
    assert len(rows) == 12
    assert (tmp_path / "r" / "summary.csv").read_text().startswith("curve,codec,setting,images,bpp")
    assert (tmp_path / "r" / "report.html").exists()


@pytest.mark.parametrize(
    "script", ["train.py", "compress.py", "decompress.py", "evaluate.py", "search.py"]
)
def test_help_answers_without_tensorflow(script):
    code = (
        f"import sys; sys.argv = ['{script}', '--help']; import runpy\n"
        f"try: runpy.run_path('{script}', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert 'tensorflow' not in sys.modules"
    )
    out, _ = call("-c", code)
    assert "python" in out
    call(script, "--help")


@pytest.mark.parametrize(
    "command", [["decompress.py", "--semantics_only"], ["search.py", "--stats"]]
)
def test_readers_that_have_seen_enough_are_no_error(coded, command):
    path, _ = coded
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, *command, str(path)], stdout=write, stderr=subprocess.PIPE, cwd=ROOT
    )
    os.close(write)
    assert done.returncode == 1
    assert b"Error" not in done.stderr
