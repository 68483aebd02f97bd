"""compress.py as people call it: what it prints, writes and refuses."""

import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.calls import ROOT, call
from tools.robustness.small_models import make_model, photo


@pytest.fixture(scope="module")
def fine(tmp_path_factory):
    """A model with many steps."""
    return make_model(tmp_path_factory.mktemp("fine") / "m", "post", gains=2)


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


def test_new_folders_are_told_by_a_slash(pre, picture, tmp_path):
    out, _ = call("compress.py", picture, f"{tmp_path}/new/", f"--model={pre.path}")
    assert out.startswith(str(tmp_path / "new" / "in.dsic"))


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


def test_labels_that_are_not_imagenets_come_from_the_model(tmp_path, picture):
    folder = make_model(tmp_path / "m", "pre", ["cat", "dog"])
    model = f"--model={folder.path}"
    call("compress.py", picture, tmp_path / "a.dsic", model, "--semantic_threshold=0")
    out, _ = call("decompress.py", tmp_path / "a.dsic", "--semantics_only", model)
    assert "cat" in out or "dog" in out
    _, err = call("decompress.py", tmp_path / "a.dsic", "--semantics_only", code=1)
    assert "--model" in err
