"""What the commands share: jobs that fail one by one, and jobs that cannot go on."""

import pathlib

import pytest

from deepsic import cli
from deepsic.errors import BadFile, NoRoom


def jobs(count):
    return [(pathlib.Path(f"{i}.png"), pathlib.Path(f"{i}.dsic")) for i in range(count)]


def test_one_bad_file_does_not_stop_the_others(capsys):
    def work(source, target):
        if source.name == "1.png":
            raise BadFile("1.png is no picture.")
        return f"{target}: done"

    assert cli.run_jobs(jobs(3), work, (BadFile,)) == 1
    out, err = capsys.readouterr()
    assert out == "0.dsic: done\n2.dsic: done\n"
    assert err == "error: 1.png is no picture.\nerror: 1 of 3 files failed.\n"


def test_a_full_disk_stops_the_work_with_one_sentence(capsys):
    done = []

    def work(source, target):
        done.append(source)
        raise NoRoom(f"{target} cannot be written: No space left on device.")

    with pytest.raises(cli.UserError, match=r"^0\.dsic cannot.*device\. 2 more files were not"):
        cli.run_jobs(jobs(3), work, (BadFile,))
    assert len(done) == 1
    assert capsys.readouterr().err == ""
