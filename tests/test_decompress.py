"""decompress.py as people call it: pictures, labels, checks."""

import dataclasses
import json
import os

from PIL import Image

from deepsic import container
from tests.calls import call


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


def test_promised_pixels_are_limited(pre, coded, tmp_path):
    path, _ = coded
    options = [f"--model={pre.path}", "--max_pixels=100"]
    _, err = call("decompress.py", path, tmp_path / "x.png", *options, code=1)
    assert "--max_pixels" in err
