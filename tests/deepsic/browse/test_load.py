"""Many at once: the server stays as small as it was."""

import concurrent.futures
import http.client
import re
import subprocess
import sys
import urllib.parse

import pytest

import deepsic
from tools.robustness.small_pictures import photograph

psutil = pytest.importorskip("psutil")
pytest.importorskip("starlette")

AT_ONCE = 200
# What a process may take and give back between two looks at it, bytes.
SLACK = 24 << 20


def get(address, path):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=120)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, len(body)


@pytest.fixture
def many(tmp_path):
    data = deepsic.load("pre-0.12bpp").compress(photograph(3, 96, 96))
    for i in range(AT_ONCE):
        (tmp_path / f"{i}.dsic").write_bytes(data)
    command = [sys.executable, "browse.py", str(tmp_path), "--port=0", "--noopen"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield re.search(r"http://\S+/", process.stdout.readline())[0], process
        process.terminate()


def test_200_thumbnails_at_once_do_not_make_the_server_grow(many):
    address, process = many
    memory = psutil.Process(process.pid).memory_info

    def storm(size):
        paths = [f"/thumbnail/{i}?size={size}" for i in range(AT_ONCE)]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda path: get(address, path), paths))
        assert {status for status, _ in answers} == {200}
        assert all(size > 300 for _, size in answers)
        return memory().rss

    get(address, "/thumbnail/0?size=fine")  # loads the networks
    first = storm("coarse")
    second = storm("fine")
    assert second < first + SLACK
    assert storm("fine") < second + SLACK
