"""What a file promises is weighed before it is read."""

import os

import pytest

from deepsic import cli, container, files, limits
from deepsic.container import Header
from deepsic.errors import CorruptFile, TooManyPixels


def write(path, width, height, payload=b"payload"):
    path.write_bytes(container.pack(Header("post", b"abcd", width, height), payload))
    return path


def header_of(path, max_pixels=None):
    return container.unpack(limits.read_file(path, max_pixels))[0]


def test_files_are_read_whole(tmp_path):
    payload = bytes(range(256)) * 20
    data = limits.read_file(write(tmp_path / "a.dsic", 100, 50, payload))
    header, rest = container.unpack(data)
    assert (header.width, header.height, rest) == (100, 50, payload)


@pytest.mark.parametrize("size", [(100_000, 100_000), (1 << 30, 1 << 30), (20_000, 10_001)])
def test_huge_promises_are_refused_with_the_flag_that_allows_them(tmp_path, size):
    path = write(tmp_path / "a.dsic", *size, bytes(1 << 20))
    with pytest.raises(CorruptFile, match="more than 200000000") as raised:
        limits.read_file(path)
    assert f"--max_pixels={size[0] * size[1]} allows" in cli.explain(raised.value)
    with pytest.raises(CorruptFile, match=f"{size[0]}×{size[1]}"):
        limits.read_file(path, 100_000_000)
    assert header_of(path, size[0] * size[1]).width == size[0]


def test_small_files_may_promise_less(tmp_path):
    path = write(tmp_path / "a.dsic", 10_000, 10_000)
    with pytest.raises(CorruptFile, match="as empty pictures do") as raised:
        limits.read_file(path)
    assert "--max_pixels=100000000 allows" in cli.explain(raised.value)
    assert header_of(path, 100_000_000).width == 10_000
    assert header_of(write(path, 4096, 4096)).width == 4096
    per_byte = limits.PIXELS_PER_BYTE
    path = write(path, 10_000, 10_000, bytes((10**8 - files.ANY_PIXELS) // per_byte - 100))
    with pytest.raises(CorruptFile, match="empty"):
        limits.read_file(path)
    path = write(path, 10_000, 10_000, bytes((10**8 - files.ANY_PIXELS) // per_byte + 100))
    assert header_of(path).width == 10_000


def test_the_limit_is_inclusive():
    files.check_pixels("it", 6, 7, 10, 1, 42)
    with pytest.raises(TooManyPixels, match=r"^it has 6×7 pixels, more than 41"):
        files.check_pixels("it", 6, 7, 10, 1, 41)


def test_files_longer_than_their_picture_can_need_are_not_read(tmp_path):
    path = write(tmp_path / "a.dsic", 8, 8)
    os.truncate(path, 1 << 40)  # which takes no room on the disk
    with pytest.raises(CorruptFile, match="1099511627776 bytes, more than its picture can need"):
        limits.read_file(path)


def test_what_is_no_plain_file_is_no_dsic_file(tmp_path):
    os.mkfifo(tmp_path / "a.dsic")
    for path in (tmp_path / "a.dsic", "/dev/zero"):
        with pytest.raises(CorruptFile, match=r"no \.dsic file"):
            limits.read_file(path)
