"""Rate and distortion of models and reference codecs on a set of pictures (figures 6 and 7)."""

from __future__ import annotations

import csv
import math
import pathlib
import sys
import time

import numpy as np
from tqdm import tqdm

from data import images
from evaluation import metrics
from evaluation.references import JPEG, nearest_rate
from models import store
from models.codec import Codec

FIGURES = ("bpp", "psnr_rgb", "psnr_luma", "ms_ssim_rgb", "ms_ssim_luma", "encode_s", "decode_s")
COLUMNS = ("image", "codec", "setting", "bytes", *FIGURES, "label", "probability")


def measure_model(codec: Codec, name: str, x: np.ndarray) -> dict:
    """One row: a picture through a model's real file."""
    start = time.perf_counter()
    data = codec.compress(x)
    middle = time.perf_counter()
    x_hat, label = codec.decompress(data)
    end = time.perf_counter()
    return {
        "codec": name,
        "setting": codec.fingerprint.hex(),
        "bytes": len(data),
        "bpp": 8 * len(data) / (x.shape[0] * x.shape[1]),
        **metrics.measure(x, x_hat),
        "encode_s": middle - start,
        "decode_s": end - middle,
        "label": label.name,
        "probability": label.probability,
    }


def measure_jpeg(x: np.ndarray, bpp: float, name: str) -> dict:
    """One row: a picture through JPEG at the setting nearest to a rate."""
    start = time.perf_counter()
    setting, data = nearest_rate(JPEG, x, bpp)
    middle = time.perf_counter()
    x_hat = JPEG.decode(data)
    end = time.perf_counter()
    return {
        "codec": f"{JPEG.name} at the rate of {name}",
        "setting": f"{JPEG.knob}={setting}",
        "bytes": len(data),
        "bpp": 8 * len(data) / (x.shape[0] * x.shape[1]),
        **metrics.measure(x, x_hat),
        "encode_s": (middle - start) / len(JPEG.values),
        "decode_s": end - middle,
        "label": "",
        "probability": math.nan,
    }


def run(paths: list[str], folders: list[store.Folder], out: pathlib.Path) -> None:
    """Measures every picture with every model, writes the tables and prints the means."""
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for folder in folders:
        codec, name = Codec(folder), folder.path.name
        for path in tqdm(paths, desc=name, unit="image", disable=not sys.stderr.isatty()):
            try:
                x = images.read_image(path)
            except images.BadImage as error:
                print(f"skipped: {error}", file=sys.stderr)
                continue
            row = measure_model(codec, name, x)
            rows += [{"image": pathlib.Path(path).name, **row}]
            rows += [{"image": pathlib.Path(path).name, **measure_jpeg(x, row["bpp"], name)}]
    _write(out / "rd.csv", COLUMNS, rows)
    means = summarise(rows)
    _write(out / "summary.csv", ("codec", "images", *FIGURES), means)
    print_table(means)


def summarise(rows: list[dict]) -> list[dict]:
    """Means over pictures, a row for each codec; a PSNR's mean is of the pictures' PSNRs."""
    names = list(dict.fromkeys(row["codec"] for row in rows))
    means = []
    for name in names:
        mine = [row for row in rows if row["codec"] == name]
        mean = {f: float(np.mean([row[f] for row in mine])) for f in FIGURES}
        means.append({"codec": name, "images": len(mine), **mean})
    return means


def _write(path: pathlib.Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    def write(handle) -> None:
        lines = csv.DictWriter(handle, columns)
        lines.writeheader()
        lines.writerows({c: _text(row[c]) for c in columns} for row in rows)

    images.write_text_atomically(path, write)


def _text(value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def print_table(means: list[dict]) -> None:
    """The means, for people."""
    width = max(len(m["codec"]) for m in means)
    heads = f"{'bpp':>6} {'PSNR':>6} {'luma':>6} {'MS-SSIM':>8} {'enc s':>6} {'dec s':>6}"
    print(f"{'codec':{width}}  {heads}")
    for m in means:
        print(
            f"{m['codec']:{width}}  {m['bpp']:6.3f} {m['psnr_rgb']:6.2f} {m['psnr_luma']:6.2f}"
            f" {m['ms_ssim_rgb']:8.4f} {m['encode_s']:6.2f} {m['decode_s']:6.2f}"
        )
