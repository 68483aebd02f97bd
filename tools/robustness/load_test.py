"""Compresses many pictures of mixed sizes in one process and watches its memory.

    python -m tools.robustness.load_test [--pictures=1000] [--model=DIR]

Memory must not grow by more than --growth after the first tenth (it settles within some hundred
pictures, when the larger sizes have been met). Then two processes write into one folder at the
same time. Without --model, an untrained small one is used: memory behaves alike, throughput
does not.
"""

import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from deepsic import cli
from deepsic.commands import compress
from deepsic.pairing import Job

F = flags.FLAGS
flags.DEFINE_integer("pictures", 1000, "Number of pictures.", 20)
flags.DEFINE_integer("side", 1024, "Largest side of a picture, pixels.", 1, 1024)
flags.DEFINE_float("growth", 64.0, "Most that memory may grow after the first tenth, MB.")

flags.declare_key_flag("model")  # of compress.py

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Named, because for many pictures the commands would choose another one.
RUNTIME = "litert"


def resident():
    """Memory of this process now, MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def write_pictures(folder):
    """Crops of photographs, no two sizes alike but by chance; returns their paths."""
    import numpy as np

    from data.samples import sample_images
    from deepsic.images import write_image

    rng, photos = random.Random(0), list(sample_images().values())
    paths = [folder / f"{i}.png" for i in range(F.pictures)]
    for path in paths:
        x = np.tile(rng.choice(photos), (4, 4, 1))
        height, width = (int(2 ** rng.uniform(4, np.log2(F.side))) for _ in range(2))
        top, left = rng.randrange(x.shape[0] - height), rng.randrange(x.shape[1] - width)
        write_image(path, x[top : top + height, left : left + width])
    return paths


def compress_all(codec, paths, out):
    """What compress.py does with a folder; returns memory after each picture, and the pixels."""
    from PIL import Image
    from tqdm import tqdm

    from deepsic.ladder import Reached

    def encode(picture):
        return Reached(codec.compress(picture), codec)

    memory, pixels = [], 0
    for path in tqdm(paths, unit="picture"):
        compress.compress_file(encode, Job(path, out / f"{path.stem}.dsic"))
        with Image.open(path) as image:
            pixels += image.width * image.height
        memory.append(resident())
    return memory, pixels


def compress_twice(model, source, expected, folder):
    """Two commands into one folder; returns what is wrong with the files."""
    command = [sys.executable, "compress.py", source, folder, f"--model={model}", "--overwrite"]
    command += [f"--runtime={RUNTIME}"]
    both = [
        subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    codes = [process.wait() for process in both]
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    wanted = {p.name: p.read_bytes() for p in expected.iterdir()}
    return "" if codes == [0, 0] and files == wanted else f"exit codes {codes}, other files"


def main(rest):
    if rest:
        raise cli.UserError(f"load_test takes flags only, not {rest[0]!r}.")
    from deepsic import store
    from deepsic.codec import Codec

    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        if F["model"].present:
            folder = store.find(F.model)
        else:
            from tools.robustness.small_models import make_model

            folder = make_model(root / "model", "pre")
        codec, paths = Codec(folder, runtime=RUNTIME), write_pictures(root / "in")
        start = time.monotonic()
        memory, pixels = compress_all(codec, paths, root / "out")
        seconds = time.monotonic() - start
        wrong = compress_twice(folder.reference, root / "in", root / "out", root / "both")
    tenth = len(memory) // 10
    growth = max(memory[tenth:]) - max(memory[:tenth])
    print(f"{len(paths)} pictures, {pixels / 1e6:.0f} MP, {seconds:.0f} s:", end=" ")
    print(f"{len(paths) / seconds:.1f} pictures/s, {pixels / 1e6 / seconds:.2f} MP/s.")
    steps = " ".join(f"{memory[i]:.0f}" for i in range(0, len(memory), tenth))
    print(f"memory after each tenth, MB: {steps} {memory[-1]:.0f}; growth {growth:.0f}.")
    print(f"two processes in one folder: {wrong or 'no harm'}.")
    return 1 if wrong or growth > F.growth else 0


if __name__ == "__main__":
    cli.run(main, __doc__)
