"""INs and OUT, as people write them."""

import os
import pathlib

import pytest

from deepsic import pairing
from deepsic.errors import UserError
from deepsic.pairing import Job

READ = [".png", ".jpg"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.jpg", "in/c.PNG", "in/deep/d.jpg", "in/e.dng", "in/._c.PNG", "in/x"):
        pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(name).write_bytes(b"x")
    pathlib.Path("there").mkdir()


def pairs(*arguments, out=None, **options):
    """Sources and targets of a command line, and the plan."""
    plan = pairing.plan(
        *pairing.split_arguments(arguments, out, [".dsic"]), READ, ".dsic", **options
    )
    return {str(s): str(t) for s, t in plan.jobs}, plan


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a.png"], {"a.png": "a.dsic"}),
        (["a.png", "o.dsic"], {"a.png": "o.dsic"}),
        (["a.png", "o/"], {"a.png": "o/a.dsic"}),
        (["a.png", "there"], {"a.png": "there/a.dsic"}),
        (["a.png", "b.jpg"], {"a.png": "a.dsic", "b.jpg": "b.dsic"}),
        (["a.png", "b.jpg", "there"], {"a.png": "there/a.dsic", "b.jpg": "there/b.dsic"}),
        (["in"], {"in/c.PNG": "in/c.dsic", "in/deep/d.jpg": "in/deep/d.dsic"}),
        (["in", "o"], {"in/c.PNG": "o/c.dsic", "in/deep/d.jpg": "o/deep/d.dsic"}),
        (
            ["a.png", "in", "o/"],
            {"a.png": "o/a.dsic", "in/c.PNG": "o/c.dsic", "in/deep/d.jpg": "o/deep/d.dsic"},
        ),
    ],
)
def test_targets(arguments, expected):
    assert pairs(*arguments)[0] == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a.png"], {"a.png": "o"}),
        (["a.png", "b.jpg"], {"a.png": "o/a.dsic", "b.jpg": "o/b.dsic"}),
    ],
)
def test_out_by_a_flag_makes_all_arguments_ins(arguments, expected):
    assert pairs(*arguments, out="o")[0] == expected


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ([], "at least one"),
        (["nowhere.png"], "does not exist"),
        (["a.png", "new"], "end it in a slash"),
        (["a.png", "b.jpg", "o.dsic"], "must be a folder"),
        (["in", "a.png", "o.dsic"], "must be a folder"),
        (["in", "o.dsic"], "in is a folder"),
        (["a.png", "b.jpg/"], "no folder"),
        (["there"], "holds no file"),
        (["a.png", "b.jpg", "-"], "one IN"),
    ],
)
def test_mistakes_get_one_sentence(arguments, hint):
    with pytest.raises(UserError, match=hint):
        pairs(*arguments)


def test_streams():
    assert pairs("-")[1].jobs == [Job(None, None)]
    assert pairs("-", "o.dsic")[1].jobs == [Job(None, pathlib.Path("o.dsic"))]
    assert pairs("a.png", "-")[1].jobs == [Job(pathlib.Path("a.png"), None)]


def test_only_clashing_names_keep_their_extensions():
    for name in ("in/c.jpg", "in/z.png"):
        pathlib.Path(name).write_bytes(b"x")
    assert pairs("in", "o")[0] == {
        "in/c.PNG": "o/c.PNG.dsic",
        "in/c.jpg": "o/c.jpg.dsic",
        "in/deep/d.jpg": "o/deep/d.dsic",
        "in/z.png": "o/z.dsic",
    }
    pathlib.Path("in/c.jpg.png").write_bytes(b"x")
    with pytest.raises(UserError, match="rename"):
        pairs("in", "o")


def test_what_is_left_aside_is_counted():
    _, plan = pairs("in", "o")
    told = plan.describe_aside(lambda extension: "try it" if extension == ".dng" else "")
    assert told == "left aside: 1 ._* of macOS, 1 .dng (try it), 1 x"
    pathlib.Path("in/c.dsic").write_bytes(b"x")
    assert pairs("in", "o")[1].describe_aside() == told.replace(" (try it)", "")


def test_existing_targets_are_replaced_kept_or_refused():
    pathlib.Path("a.dsic").write_bytes(b"x")
    with pytest.raises(UserError, match="--overwrite"):
        pairs("a.png", "b.jpg")
    assert len(pairs("a.png", "b.jpg", overwrite=True)[0]) == 2
    left, plan = pairs("a.png", "b.jpg", skip_existing=True)
    assert left == {"b.jpg": "b.dsic"}
    assert plan.present == 1


def test_a_source_is_not_its_own_target():
    with pytest.raises(UserError, match="another OUT"):
        pairs("a.png", out="a.png", overwrite=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to the superuser")
def test_closed_folders_are_said_before_any_work():
    os.chmod("there", 0o500)
    with pytest.raises(UserError, match="may write"):
        pairs("a.png", "there/")
