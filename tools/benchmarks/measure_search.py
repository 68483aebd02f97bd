"""Measures searches and labels with levels over an archive made of labelled pictures.

    python -m tools.benchmarks.measure_search --data=imagenette224/val --model=pre-0.5bpp

DATA holds a folder of pictures for each class, called as the model calls the class.
Compresses them into OUT/MODEL/archive (what is there is kept, so a run can be
interrupted), then writes and prints OUT/MODEL/report.md:

* precision and recall of a search for each class and each group of classes, by the
  paths in the files, by a flat class id, and by decoding and classifying every file;
* bits of the paths beside those of a flat class id;
* how often the label is true, by its depth, and after its first bits;
* how fast all that is, from a warm disk cache.
"""

import csv
import json
import math
import os
import pathlib
import shutil
import sys
import time

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from deepsic import cli, files, treecode
from deepsic.container import Header
from deepsic.registry import Registry
from deepsic.search import reading, scan
from tools.benchmarks.search_tables import Truth, label_tables, search_table

F = flags.FLAGS
flags.DEFINE_string("data", None, "Folder with a folder of pictures for each class.")
flags.DEFINE_string("model", "pre-0.5bpp", "A shipped model's name, or a model's folder.")
flags.DEFINE_string("out", "build/search", "Folder of the archive and the report.")
flags.DEFINE_integer("per_class", 0, "Pictures of each class; 0 for all.", 0)
flags.DEFINE_integer("side", 0, "Resize pictures to squares of this side; 0 for as they are.", 0)
flags.DEFINE_integer("files", 20_000, "Copies of files to time the reading of.", 1)
flags.DEFINE_float("semantic_threshold", 0.5, "See compress.py.", 0, 15 / 16)
flags.DEFINE_integer("semantic_topk", 0, "See compress.py.", 0, treecode.MOST_ALTERNATIVES)
flags.DEFINE_bool("decode", True, "Also decode and classify every file.")


def pictures(data):
    """From the path of every picture to its class's id."""
    from deepsic import formats

    found = {}
    for folder in sorted(p for p in data.iterdir() if p.is_dir()):
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in formats.EXTENSIONS)
        found |= {p: folder.name for p in paths[: F.per_class or None]}
    return found


def read_picture(path):
    """uint8 (H, W, 3), resized if that was asked for."""
    import numpy as np
    from PIL import Image

    from deepsic import images

    x = images.read_image(path)
    if F.side:
        x = np.asarray(Image.fromarray(x).resize((F.side, F.side), Image.Resampling.LANCZOS))
    return x


def check_settings(codec, folder):
    """Refuses to go on with an archive that was made otherwise."""
    names = ("data", "per_class", "side", "semantic_threshold", "semantic_topk")
    mine = {"model": codec.fingerprint.hex()} | {n: F[n].value for n in names}
    path = folder / "settings.json"
    if path.exists():
        theirs = json.loads(path.read_text(encoding="utf-8"))
        other = [n for n in mine if theirs.get(n) != mine[n]]
        if other:
            raise cli.UserError(
                f"{folder} was made with another {other[0]}; remove it, or choose another --out."
            )
    elif any(folder.iterdir()):
        raise cli.UserError(f"{folder} is not this tool's; choose another --out.")
    files.write_text_atomically(path, lambda handle: handle.write(json.dumps(mine, indent=2)))


def build(codec, found, folder):
    """Compresses pictures; returns {file: (class, likeliest class, its probability)}.

    The same is kept in flat.csv for the next run.
    """
    table = folder / "flat.csv"
    rows = {}
    if table.exists():
        with open(table, newline="") as lines:
            rows = {
                row[0]: (row[1], row[2], float(row[3]))
                for row in csv.reader(lines)
                if len(row) == 4
            }
    wanted = {}
    with open(table, "a", newline="") as out:
        lines = csv.writer(out)
        for path, name in reading.progress(found.items(), "compressing", len(found)):
            target = folder / "archive" / name / f"{path.stem}.dsic"
            if str(target) not in rows or not target.exists():
                flat = compress(codec, read_picture(path), target)
                rows[str(target)] = (name, *flat)
                lines.writerow([target, name, *flat])
                out.flush()
            wanted[str(target)] = rows[str(target)]
    return wanted


def compress(codec, x, target):
    """Writes a file as compress.py does; returns the likeliest class and its probability."""
    analysis = codec.analyse(x, F.semantic_threshold, F.semantic_topk)
    f = analysis.f
    p = codec.classify(f if codec.config.arch == "pre" else codec.restore(codec.symbols(f)))
    data = codec.encode(analysis)
    files.write_atomically(target, lambda handle: handle.write(data))
    return codec.labels.classes[int(p.argmax())], float(p.max())


def decode_and_classify(codec, paths):
    """What a codec without labels has to do: {file: likeliest class of its decoded picture}."""
    from deepsic import container

    found = {}
    for path in reading.progress(paths, "decoding", len(paths)):
        header, payload = container.unpack(pathlib.Path(path).read_bytes())
        q = codec.decode_symbols(header, payload)
        x_hat = codec.reconstruct(q, header.height, header.width)
        f = codec.features(x_hat)
        if codec.config.arch == "post":  # whose head knows dequantised features only
            f = codec.restore(codec.symbols(f))
        p = codec.classify(f)
        found[path] = codec.labels.classes[int(p.argmax())]
    return found


def time_reading(paths, folder):
    """Seconds and processor seconds to read the fronts of many files, once they are cached."""
    copies = folder / "copies"
    shutil.rmtree(copies, ignore_errors=True)
    for i in range(F.files):
        (copies / f"{i // 1000:03d}").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paths[i % len(paths)], copies / f"{i // 1000:03d}" / f"{i % 1000:03d}.dsic")
    best = (math.inf, math.inf)
    for _ in range(3):
        wall, processor = time.perf_counter(), time.process_time()
        assert sum(isinstance(f, scan.Found) for f in scan.scan([str(copies)])) == F.files
        best = min(best, (time.perf_counter() - wall, time.process_time() - processor))
    shutil.rmtree(copies)
    return best


def timed(work):
    """What some work returns, and the seconds that it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def measure(codec, folder, found):
    """The report's lines."""
    rows = build(codec, found, folder)
    classes, flat = ({p: row[i] for p, row in rows.items()} for i in (0, 1))
    sure = {p: c for p, c in flat.items() if rows[p][2] >= F.semantic_threshold}
    answers = {"flat id": flat, f"flat id ≥ {F.semantic_threshold:.0%}": sure}
    truth = Truth(codec.labels.taxonomy, classes)
    models = Registry([codec.folder.reference])
    models.codec(Header(codec.config.arch, codec.fingerprint, 8, 8))  # loading is not timed
    places = [str(folder / "archive")]
    index = folder / "archive" / ".dsic-index.sqlite"
    index.unlink(missing_ok=True)
    first, first_s = timed(lambda: reading.read(places, models, 10**9, cli.warn))
    archive, again_s = timed(lambda: reading.read(places, models, 10**9, cli.warn))
    if first.failed or {f.path for _, files in archive.groups for f in files} != set(rows):
        raise cli.UserError(f"{folder}/archive holds other files; remove it.")
    times = [f"* first search, {len(rows)} files: {first_s:.3f}", f"* the next: {again_s:.3f}"]
    if F.decode:
        answers["decoding"], seconds = timed(lambda: decode_and_classify(codec, list(rows)))
        times.append(f"* decoding and classifying all: {seconds:.1f}")
    wall, processor = time_reading(list(rows), folder)
    lines = [f"# {codec.folder.name}: {len(rows)} pictures of {F.data}", ""]
    lines += search_table(truth, archive, answers)
    lines += label_tables(truth, archive, flat)
    rate = f"{F.files / wall:,.0f} a second, {F.files / processor:,.0f} a processor second"
    times.append(f"* reading the fronts of {F.files:,} cached files: {rate}")
    return [*lines, "", "## Seconds", "", *times]


def main(rest):
    if rest or not F.data or not os.path.isdir(F.data):
        raise cli.UserError("measure_search takes flags only, and needs a folder: --data=DIR.")
    from deepsic import store
    from deepsic.codec import Codec

    codec = Codec(store.find(F.model))
    found = pictures(pathlib.Path(F.data))
    unknown = set(found.values()) - set(codec.labels.classes)
    if unknown or not found:
        raise cli.UserError(f"{F.data} needs a folder of pictures for each class of the model.")
    folder = pathlib.Path(F.out) / codec.folder.name
    folder.mkdir(parents=True, exist_ok=True)
    check_settings(codec, folder)
    report = "\n".join(measure(codec, folder, found)) + "\n"
    (folder / "report.md").write_text(report, encoding="utf-8")
    sys.stdout.write(report)


if __name__ == "__main__":
    cli.run(main, __doc__)
