"""Files are written whole or not at all, together or not at all, and leftovers are cleared."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from deepsic import files
from deepsic.errors import BadFile
from deepsic.files import write_atomically, write_text_atomically, write_together


@pytest.fixture(autouse=True)
def fresh():
    """Each test looks its folder up as a new process would."""
    files._leftovers.cache_clear()


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


def put(data):
    return lambda handle: handle.write(data)


def fail(handle):
    handle.write(b"half")
    raise OSError(28, "No space left on device")


def test_written_files_have_the_usual_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "deep" / "a", put(b"x"))
    finally:
        os.umask(old)
    assert (tmp_path / "deep" / "a").stat().st_mode & 0o777 == 0o640


def test_text_is_written_whole_in_utf8_with_its_own_line_ends(tmp_path):
    write_text_atomically(tmp_path / "t.csv", lambda f: f.write("süß\r\nx\n"))
    assert (tmp_path / "t.csv").read_bytes() == "süß\r\nx\n".encode()

    def stop(file):
        file.write("half")
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_text_atomically(tmp_path / "t.csv", stop)
    assert left_in(tmp_path) == ["t.csv"]
    assert (tmp_path / "t.csv").stat().st_size == 9


def test_files_that_belong_together_change_together(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(BadFile, match=r"b cannot be written: No space left on device\."):
        write_together({tmp_path / "a": put(b"new"), tmp_path / "b": fail})
    assert left_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
    write_together({tmp_path / "a": put(b"new"), tmp_path / "b": put(b"too")})
    assert [(tmp_path / n).read_bytes() for n in left_in(tmp_path)] == [b"new", b"too"]


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, old[1]))
    try:
        # More than a buffer holds, so that writing fails, and less, so that flushing does.
        for size in ((1 << 16) + 1, 1 << 20):
            with pytest.raises(BadFile, match="a cannot be written: File too large"):
                write_atomically(tmp_path / "a", put(bytes(size)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert left_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_names_as_long_as_the_file_system_allows(tmp_path):
    for name in ("x" * 255, "語" * 85):
        write_atomically(tmp_path / name, put(b"x"))
    assert len(left_in(tmp_path)) == 2


WRITER = """
import sys, time
from deepsic import files
def write(handle):
    handle.write(b"half")
    handle.flush()
    print("writing", flush=True)
    sys.stdin.read()
files.write_atomically(sys.argv[1], write)
"""


def start_writer(path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout.readline() == b"writing\n"
    return writer


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path):
    writer = start_writer(tmp_path / "a.png")
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    (left,) = left_in(tmp_path)
    assert left.startswith(".a.png.")
    assert left.endswith(".tmp")
    others = [".b.png.abcdefgh.tmp", ".a.png.tmp", "a.png.abcdefgh.tmp"]
    for name in others:
        (tmp_path / name).write_bytes(b"")
    write_atomically(tmp_path / "a.png", put(b"whole"))
    assert left_in(tmp_path) == sorted(["a.png", *others])


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    writer = start_writer(tmp_path / "a.png")
    write_atomically(tmp_path / "a.png", put(b"mine"))
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    assert len(left_in(tmp_path)) == 2
    writer.communicate()
    assert writer.returncode == 0
    assert left_in(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"half"


def test_a_pipe_or_link_with_a_leftovers_name_is_not_followed(tmp_path):
    os.mkfifo(tmp_path / ".a.abcdefgh.tmp")
    os.symlink("/dev/zero", tmp_path / ".a.abcdefgi.tmp")
    write_atomically(tmp_path / "a", put(b"x"))
    assert (tmp_path / "a").read_bytes() == b"x"
