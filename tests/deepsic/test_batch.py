"""Many jobs: they fail one by one, or cannot go on; what is said in the end."""

import json
import pathlib

import pytest

from deepsic import batch
from deepsic.batch import Done
from deepsic.errors import BadFile, NoRoom, UserError
from deepsic.pairing import Job, Plan


def jobs(count):
    return Plan([Job(pathlib.Path(f"{i}.png"), pathlib.Path(f"{i}.dsic")) for i in range(count)])


def work(job):
    if job.source.name == "1.png":
        raise BadFile("1.png is no picture.")
    return Done(f"{job.target}: done", {"target": str(job.target)}, 1_000_000, 50_000)


@pytest.mark.parametrize("processes", [1, 2])
def test_one_bad_file_does_not_stop_the_others(capsys, monkeypatch, processes):
    monkeypatch.setattr("sys.argv", ["test"])
    assert batch.run(jobs(3), work, processes=processes) == 1
    out, err = capsys.readouterr()
    assert sorted(out.splitlines()) == ["0.dsic: done", "2.dsic: done"]
    assert err == "error: 1.png is no picture.\n2 pictures, 2.0 MB → 100.0 kB, 1 failed\n"


def test_json_has_a_line_for_each_failures_among_them(capsys):
    assert batch.run(jobs(2), work, as_json=True) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"target": "0.dsic"},
        {"source": "1.png", "error": "1.png is no picture."},
    ]
    assert err == "1 picture, 1.0 MB → 50.0 kB, 1 failed\n"


def test_any_file_name_goes_into_json(capsys):
    name = b"\xff\n'.png".decode("utf-8", "surrogateescape")
    plan = Plan([Job(pathlib.Path(name), None)])
    batch.run(plan, lambda job: Done("", {"source": str(job.source)}), as_json=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["source"] == name


def test_one_picture_needs_no_last_line(capsys):
    assert batch.run(jobs(1), work) == 0
    assert capsys.readouterr() == ("0.dsic: done\n", "")


def test_nothing_to_do_is_said(capsys):
    assert batch.run(Plan([], present=7), work) == 0
    assert capsys.readouterr() == ("", "nothing to do: all 7 are there.\n")


def test_what_was_left_aside_is_said_last(capsys):
    plan = jobs(1)
    plan.aside.update({".heic": 2, ".dng": 1})
    batch.run(plan, work, advise=lambda e: "pip install it" if e == ".heic" else "")
    assert capsys.readouterr().err == "left aside: 2 .heic (pip install it), 1 .dng\n"


def test_a_full_disk_stops_the_work_with_one_sentence(capsys):
    done = []

    def work(job):
        done.append(job)
        raise NoRoom(f"{job.target} cannot be written: No space left on device.")

    with pytest.raises(UserError, match=r"^0\.dsic cannot.*device\. 2 more files were not"):
        batch.run(jobs(3), work)
    assert len(done) == 1
    assert capsys.readouterr().err == ""
