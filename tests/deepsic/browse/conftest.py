"""An archive of a few photographs, with the originals beside some."""

import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

import deepsic
from data.samples import sample_images

MODEL = "pre-0.12bpp"


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Two folders, of originals and of the files made of them."""
    root = tmp_path_factory.mktemp("browse")
    codec = deepsic.load(MODEL)
    for name, x in sorted(sample_images().items()):
        picture = Image.fromarray(x)
        picture.thumbnail((400, 400))
        for folder in ("originals", "archive"):
            (root / folder / "in").mkdir(parents=True, exist_ok=True)
        picture.save(root / "originals" / "in" / f"{name}.png")
        (root / "archive" / "in" / f"{name}.dsic").write_bytes(codec.compress(picture, topk=2))
    return root


@pytest.fixture
def archive(photographs, tmp_path):
    """A copy to do things to: the folder of the archive."""
    shutil.copytree(photographs / "archive", tmp_path / "archive")
    return tmp_path / "archive"


@pytest.fixture(scope="session")
def server(photographs):
    """The command at work: its address, and its process."""
    command = [sys.executable, "browse.py", str(photographs / "archive"), "--port=0"]
    command += [f"--originals={photographs / 'originals'}", "--noopen"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        yield re.search(r"http://\S+/", line)[0], process
        process.terminate()
