"""Time and peak memory of compress.py and decompress.py by size of picture.

    python -m tools.benchmarks.large [--megapixels=0.4,6,24,50] [--model=pre-0.5bpp]

Pictures are photographs of installed packages, mirrored side by side. Each
command is a process of its own; seconds include its start.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

from absl import flags

from deepsic import cli

F = flags.FLAGS
flags.DEFINE_list("megapixels", ["0.4", "6", "24", "50"], "Sizes to measure.")
flags.DEFINE_string("model", "pre-0.5bpp", "Name or folder of the model.")

ROOT = pathlib.Path(__file__).resolve().parents[2]


def picture(pixels):
    """A picture of about as many pixels, three by two, uint8 (H, W, 3)."""
    import numpy as np

    from data.samples import sample_images

    tile = sample_images()["coffee"]
    tile = np.concatenate([tile, tile[:, ::-1]], axis=1)
    tile = np.concatenate([tile, tile[::-1]], axis=0)
    height, width = round((pixels * 2 / 3) ** 0.5), round((pixels * 3 / 2) ** 0.5)
    repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    return np.tile(tile, repeats)[:height, :width]


def run(*command):
    """Seconds and peak memory in MiB of a command of this project."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, text=True
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise cli.UserError(f"{command[0]} failed, see above.")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def main(rest):
    if rest:
        raise cli.UserError(f"large takes flags only, not {rest[0]!r}.")
    from deepsic.images import write_image

    try:
        sizes = [float(m) for m in F.megapixels]
    except ValueError as error:
        raise cli.UserError(f"--megapixels takes numbers: {error}.") from error
    if not all(0 < m <= 1000 for m in sizes):
        raise cli.UserError("--megapixels takes numbers above 0, up to 1000.")
    print(
        f"{'megapixels':>10} {'direction':10} {'seconds':>8} {'s/MP':>6} {'peak MiB':>9} {'bpp':>6}"
    )
    for megapixels in sizes:
        with tempfile.TemporaryDirectory() as folder:
            source, coded, back = (
                str(pathlib.Path(folder) / n) for n in ("x.png", "x.dsic", "y.png")
            )
            x = picture(megapixels * 1e6)
            write_image(source, x)
            count = x.shape[0] * x.shape[1]
            runs = {
                "compress": run("compress.py", source, coded, f"--model={F.model}"),
                "decompress": run("decompress.py", coded, back, f"--model={F.model}"),
            }
            bpp = 8 * os.path.getsize(coded) / count
        for direction, (seconds, peak) in runs.items():
            size = count / 1e6
            row = f"{size:5.1f} {direction:10} {seconds:8.1f} {seconds / size:6.2f} {peak:6.0f}"
            print(f"{row} {bpp:6.3f}", flush=True)
    return 0


if __name__ == "__main__":
    cli.run(main, __doc__)
