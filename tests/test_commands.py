"""The commands as people call them: what they print, write and refuse."""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from deepsic import __version__, container
from tools.robustness.small_models import make_model, photo

ROOT = pathlib.Path(__file__).resolve().parent.parent


def call(*arguments, code=0):
    """Runs a command; returns its outputs after checking exit code and manners."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in.png"
    Image.fromarray(photo(50, 70)).save(path)
    return path


@pytest.fixture(scope="module")
def coded(pre, tmp_path_factory):
    """A picture and its file."""
    folder = tmp_path_factory.mktemp("coded")
    Image.fromarray(photo(50, 70)).save(folder / "in.png")
    out, _ = call("compress.py", folder / "in.png", folder / "in.dsic", f"--model={pre.path}")
    return folder / "in.dsic", out


def test_compress_and_decompress_a_file(pre, coded, tmp_path):
    path, line = coded
    size = path.stat().st_size
    assert line.startswith(f"{path}: {size} bytes, {8 * size / 3500:.3f} bpp, ")
    out, _ = call("decompress.py", path, tmp_path / "out.png", f"--model={pre.path}")
    assert "70×50" in out
    assert np.asarray(Image.open(tmp_path / "out.png")).shape == (50, 70, 3)


def test_semantics_are_read_without_model_or_tensorflow(coded):
    path, line = coded
    code = (
        "import sys; sys.argv = ['decompress.py', sys.argv[1], '--semantics_only'];"
        "import runpy\n"
        "try: runpy.run_path('decompress.py', run_name='__main__')\n"
        "except SystemExit as e: assert not e.code\n"
        "assert not {'tensorflow', 'numpy', 'PIL'} & set(sys.modules)"
    )
    out, _ = call("-c", code, path)
    assert line.rstrip().endswith(out.split(": ", 1)[1].rstrip())


def test_post_semantics_need_no_reconstruction(post, picture, tmp_path):
    call("compress.py", picture, tmp_path / "a.dsic", f"--model={post.path}")
    out, _ = call("decompress.py", tmp_path / "a.dsic", "--semantics_only", f"--model={post.path}")
    assert "%" in out or out.endswith(": unknown\n")


def test_folders_go_recursively_and_one_bad_file_does_not_stop_the_rest(pre, tmp_path):
    source = tmp_path / "süß und scharf"
    (source / "inner").mkdir(parents=True)
    Image.fromarray(photo(20, 30)).save(source / "a.png")
    Image.fromarray(photo(30, 20)).save(source / "inner" / "b.jpg")
    (source / "bad.png").write_bytes(b"no picture")
    os.symlink(source / "nowhere.png", source / "broken.png")
    _, err = call("compress.py", source, tmp_path / "out", f"--model={pre.path}", code=1)
    assert "bad.png" in err
    assert "broken.png" in err
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
    assert found == ["a.dsic", "inner/b.dsic"]
    call("decompress.py", tmp_path / "out", tmp_path / "back", f"--model={pre.path}")
    assert Image.open(tmp_path / "back" / "inner" / "b.png").size == (20, 30)


def test_existing_files_are_kept_unless_told_otherwise(pre, coded, picture):
    path, _ = coded
    before = path.read_bytes()
    _, err = call("compress.py", picture, path, f"--model={pre.path}", code=1)
    assert "--overwrite" in err
    assert path.read_bytes() == before
    call("compress.py", picture, path, f"--model={pre.path}", "--overwrite")
    assert path.read_bytes() == before


def test_several_processes_write_the_same_files_with_their_times(pre, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for i, kind in enumerate(["png", "jpg", "webp"]):
        Image.fromarray(photo(20 + i, 30)).save(source / f"a.{kind}")
        os.utime(source / f"a.{kind}", (10**9 + i, 10**9 + i))
    (source / "b.heif").write_bytes(b"x")
    for jobs in (1, 2):
        out, err = call(
            "compress.py", source, tmp_path / f"{jobs}", f"--model={pre.path}", f"--jobs={jobs}"
        )
        assert len(out.splitlines()) == 3
        last, aside = err.splitlines()
        assert re.fullmatch(r"3 pictures, [\d.]+ kB → [\d.]+ kB", last)
        assert aside.startswith("left aside: 1 .heif")
    for i, kind in enumerate(["png", "jpg", "webp"]):
        one, two = (tmp_path / f"{jobs}" / f"a.{kind}.dsic" for jobs in (1, 2))
        assert one.read_bytes() == two.read_bytes()
        assert two.stat().st_mtime == 10**9 + i
    done, err = call(
        "compress.py", source, tmp_path / "1", "--skip_existing", f"--model={pre.path}"
    )
    assert (done, err.splitlines()[0]) == ("", "nothing to do: all 3 are there.")


def test_pipes_of_pictures(pre, picture, tmp_path):
    def pipe(*arguments, data):
        done = subprocess.run(
            [sys.executable, *arguments, f"--model={pre.path}"],
            input=data, capture_output=True, cwd=ROOT, check=True,
        )  # fmt: skip
        return done.stdout, done.stderr.decode()

    data, line = pipe("compress.py", "-", data=picture.read_bytes())
    assert line.startswith(f"stdout: {len(data)} bytes, ")
    call("compress.py", picture, tmp_path / "a.dsic", f"--model={pre.path}")
    assert data == (tmp_path / "a.dsic").read_bytes()
    shown, line = pipe("decompress.py", "-", "--format=jpg", data=data)
    assert shown[:3] == b"\xff\xd8\xff"
    assert line.startswith("stdout: 70×50")
    _, err = call("compress.py", "-", "out.dsic", code=1)
    assert "no picture" in err


def test_targets_are_derived(pre, picture):
    call("compress.py", picture, f"--model={pre.path}")
    assert picture.with_suffix(".dsic").exists()
    _, err = call("decompress.py", picture.with_suffix(".dsic"), f"--model={pre.path}", code=1)
    assert "in.png exists" in err
    call("decompress.py", picture.with_suffix(".dsic"), "-o", picture.parent / "b.tif",
         f"--model={pre.path}")  # fmt: skip
    assert Image.open(picture.parent / "b.tif").size == (70, 50)


def test_metadata_and_transparency_go_through(pre, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    image = Image.fromarray(photo(50, 70))
    image.putalpha(Image.linear_gradient("L").resize((70, 50)).point(lambda v: 255 * (v > 99)))
    image.save(tmp_path / "a.png", exif=exif)
    model = f"--model={pre.path}"
    call("compress.py", tmp_path / "a.png", model)
    call("decompress.py", tmp_path / "a.dsic", tmp_path / "b.webp", model)
    found = Image.open(tmp_path / "b.webp")
    assert (found.mode, found.size, found.getexif()[0x010F]) == ("RGBA", (50, 70), "Maker")
    _, err = call("decompress.py", tmp_path / "a.dsic", tmp_path / "b.jpg", model)
    assert "laid on white" in err
    options = [model, "--metadata=none", "--background=#336699", "--overwrite"]
    call("compress.py", tmp_path / "a.png", *options)
    call("decompress.py", tmp_path / "a.dsic", tmp_path / "c.webp", model)
    found = Image.open(tmp_path / "c.webp")
    assert (found.mode, len(found.getexif())) == ("RGB", 0)
    _, err = call("compress.py", tmp_path / "a.png", "--background=mauvish", code=1)
    assert "mauvish" in err


def test_damage_behind_the_picture_is_said(pre, coded, tmp_path):
    header, payload = container.unpack(coded[0].read_bytes())
    model = f"--model={pre.path}"
    for kind, code in ((container.EXIF, 0), (container.ALPHA, 1)):
        data = container.pack(header, payload, [container.Section(kind, b"data")])
        (tmp_path / "a.dsic").write_bytes(data.replace(b"data", b"dada"))
        target = tmp_path / f"{kind}.png"
        _, err = call("decompress.py", tmp_path / "a.dsic", target, model, code=code)
        assert "damaged" in err
        assert target.exists() == (not code)
        _, err = call("decompress.py", tmp_path / "a.dsic", "--verify", model, code=1)
        assert "damaged" in err
    _, err = call(
        "decompress.py", tmp_path / "a.dsic", tmp_path / "b.png", "--background=white", model
    )
    assert (tmp_path / "b.png").exists()


def test_verify_writes_nothing(pre, coded):
    before = sorted(os.listdir(coded[0].parent))
    out, _ = call("decompress.py", coded[0].parent, "--verify", f"--model={pre.path}")
    assert out == f"{coded[0]}: whole\n"
    assert sorted(os.listdir(coded[0].parent)) == before
    out, _ = call("decompress.py", coded[0], "--verify", "--json")
    assert json.loads(out) == {"source": str(coded[0]), "whole": True}


def test_thumbnails_have_the_side_that_was_asked_for(pre, coded, tmp_path):
    path, _ = coded
    for side, size in ((35, (35, 25)), (7, (7, 5)), (1000, (70, 50))):
        target = tmp_path / f"{side}.png"
        call("decompress.py", path, target, f"--thumbnail={side}", f"--model={pre.path}")
        assert Image.open(target).size == size


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


def test_new_folders_are_told_by_a_slash(pre, picture, tmp_path):
    out, _ = call("compress.py", picture, f"{tmp_path}/new/", f"--model={pre.path}")
    assert out.startswith(str(tmp_path / "new" / "in.dsic"))


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


@pytest.fixture(scope="module")
def fine(tmp_path_factory):
    """A model with many steps."""
    return make_model(tmp_path_factory.mktemp("fine") / "m", "post", gains=2)


def test_targets_are_met_from_below(fine, picture, tmp_path):
    target, model = tmp_path / "a.dsic", f"--model={fine.path}"
    sizes = []
    for asked in ("--quality=0", "--quality=100"):
        call("compress.py", picture, target, model, asked, "--overwrite")
        sizes.append(target.stat().st_size)
    most = sum(sizes) // 2
    for asked in (f"--max_bytes={most}", f"--bpp={8 * most / 3500}"):
        out, err = call("compress.py", picture, target, model, asked, "--overwrite")
        assert " with m" in out
        assert err == ""
        assert sizes[0] < target.stat().st_size <= most < sizes[1]
    out, err = call("compress.py", picture, target, model, "--psnr=15", "--effort=1", "--overwrite")
    record, _ = call("compress.py", picture, target, model, "--psnr=15", "--json", "--overwrite")
    assert json.loads(record)["bytes"] == target.stat().st_size


def test_what_is_out_of_reach_is_said_by_the_exit_code(fine, picture, tmp_path):
    target, model = tmp_path / "a.dsic", f"--model={fine.path}"
    _, err = call("compress.py", picture, target, model, "--max_bytes=0.02k", code=3)
    assert "smallest file of this picture has" in err
    assert not target.exists()
    _, err = call("compress.py", picture, target, model, "--bpp=20", code=3)
    assert "no model makes a larger file" in err
    assert target.exists()


def test_an_effort_that_the_model_does_not_know_is_refused(picture, tmp_path):
    path = tmp_path / "plain"
    folder = make_model(path, "pre")
    manifest = json.loads((path / "model.json").read_text())
    weights = dict(np.load(path / "codec" / "weights.npz"))
    del weights["reconstruction/curvature"]
    np.savez(path / "codec" / "weights.npz", **weights)
    data = (path / "codec" / "weights.npz").read_bytes()
    manifest["sha256"]["codec/weights.npz"] = hashlib.sha256(data).hexdigest()
    (path / "model.json").write_text(json.dumps(manifest))
    target = tmp_path / "a.dsic"
    call("compress.py", picture, target, f"--model={folder.path}")
    _, err = call(
        "compress.py",
        picture,
        target,
        f"--model={folder.path}",
        "--effort=1",
        "--overwrite",
        code=1,
    )
    assert "effort 0 only" in err


def test_another_model_is_named_by_its_fingerprint(post, coded, tmp_path):
    path, _ = coded
    _, err = call("decompress.py", path, tmp_path / "x.png", f"--model={post.path}", code=1)
    assert "another model" in err
    assert not (tmp_path / "x.png").exists()


def test_a_damaged_label_is_found_before_the_picture_is_written(pre, coded, tmp_path):
    header, payload = container.unpack(coded[0].read_bytes())
    section = b"\xff" * len(header.semantics.section)
    damaged = dataclasses.replace(header, semantics=header.semantics._replace(section=section))
    (tmp_path / "a.dsic").write_bytes(container.pack(damaged, payload))
    _, err = call(
        "decompress.py", tmp_path / "a.dsic", tmp_path / "x.png", f"--model={pre.path}", code=1
    )
    assert "label" in err
    assert not (tmp_path / "x.png").exists()


def test_formats_that_cannot_be_written_are_refused_first(coded, tmp_path):
    _, err = call("decompress.py", coded[0], tmp_path / "x.pdf", code=1)
    assert ".png" in err
    assert "--model" not in err


def test_a_picture_is_not_replaced_by_its_own_file(pre, picture):
    before = picture.read_bytes()
    _, err = call("compress.py", picture, picture, "--overwrite", f"--model={pre.path}", code=1)
    assert "another OUT" in err
    assert picture.read_bytes() == before


def test_pipes_are_not_waited_for(pre, tmp_path):
    (tmp_path / "in" / "folder.png").mkdir(parents=True)
    os.mkfifo(tmp_path / "in" / "a.png")
    Image.fromarray(photo(9, 9)).save(tmp_path / "in" / "b.png")
    call("compress.py", tmp_path / "in", tmp_path / "out", f"--model={pre.path}")
    assert os.listdir(tmp_path / "out") == ["b.dsic"]
    _, err = call("compress.py", tmp_path / "in" / "a.png", tmp_path / "x.dsic", code=1)
    assert "no file" in err


def test_promised_pixels_are_limited(pre, coded, tmp_path):
    path, _ = coded
    options = [f"--model={pre.path}", "--max_pixels=100"]
    _, err = call("decompress.py", path, tmp_path / "x.png", *options, code=1)
    assert "--max_pixels" in err


def test_labels_that_are_not_imagenets_come_from_the_model(tmp_path, picture):
    folder = make_model(tmp_path / "m", "pre", ["cat", "dog"])
    model = f"--model={folder.path}"
    call("compress.py", picture, tmp_path / "a.dsic", model, "--semantic_threshold=0")
    out, _ = call("decompress.py", tmp_path / "a.dsic", "--semantics_only", model)
    assert "cat" in out or "dog" in out
    _, err = call("decompress.py", tmp_path / "a.dsic", "--semantics_only", code=1)
    assert "--model" in err


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
