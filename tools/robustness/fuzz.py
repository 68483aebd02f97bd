"""Damages files on purpose and watches what decompress.py and compress.py make of them.

    python -m tools.robustness.fuzz [--files=100000] [--pictures=10000] [--folder=results/fuzz]

Half of the damaged files get checksums that fit again, so that the layers behind them
are reached. Each must give a picture or one error: no traceback, no crash, no stray file,
nothing over --seconds. What does anything else is kept in OUT/failures. File number n is
always the same one; an interrupted run goes on where it was.
"""

import collections
import json
import multiprocessing
import os
import pathlib
import random
import resource
import tempfile
import time

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from deepsic import cli, files

F = flags.FLAGS
flags.DEFINE_integer("files", 100_000, "Number of damaged .dsic files to try.", 0)
flags.DEFINE_integer("pictures", 10_000, "Number of damaged pictures to try.", 0)
flags.DEFINE_string("folder", "results/fuzz", "Folder for the state and for what failed.")
flags.DEFINE_float("seconds", 10.0, "Longest time that a file may take.")
flags.DEFINE_integer(
    "pixels",
    10_000,
    "Largest picture that a damaged file may hold, pixels; larger ones are refused.",
)

SMALL = ((1, 1), (24, 40), (33, 17))
LARGE = (272, 264)
GOOD = ("exact", "another picture", "error")


class Files:
    """Damaged .dsic files through what decompress.py does with one."""

    def __init__(self, folder, pixels):
        from deepsic.codec import Codec
        from deepsic.commands import decompress
        from deepsic.registry import Registry
        from tools.robustness.small_models import make_model, photo
        from tools.robustness.small_pictures import transparent

        self.command, self.source, self.out = decompress, folder / "a.dsic", folder / "out"
        self.seeds = []
        made = [make_model(folder / arch, arch) for arch in ("pre", "post")]
        self.models = Registry([f.path for f in made], shipped=False)
        for codec in map(Codec, made):
            grey = photo(24, 40)[..., :1].repeat(3, axis=-1)
            with_sections = [transparent(photo(*size)) for size in (*SMALL, LARGE)]
            for x in (*(photo(*size) for size in (*SMALL, LARGE)), grey, *with_sections):
                data = codec.compress(x, topk=2)
                self.seeds.append((data, codec.decompress(data)[0]))
        flags.FLAGS(["fuzz"])
        cli.warn = lambda sentence: None  # of damaged metadata, of which there are thousands
        F.max_pixels = pixels

    def data(self, rng):
        """A damaged file and the picture of the intact one."""
        from tools.robustness import mutations

        seed, x_hat = self.seeds[rng.randrange(len(self.seeds))]
        repair = "none" if rng.random() < 0.5 else rng.choice(mutations.REPAIRS[1:])
        return mutations.mutate(seed, mutations.random_edits(rng), repair), x_hat

    def attempt(self, data, x_hat):
        """What came of it."""
        import numpy as np
        from PIL import Image

        from deepsic.errors import DeepsicError
        from deepsic.pairing import Job

        self.source.write_bytes(data)
        target = self.out / "a.png"
        try:
            self.command.decompress_file(self.models, Job(self.source, target))
        except DeepsicError as error:
            return _error(error, self.out)
        with Image.open(target) as image:
            exact = np.array_equal(np.asarray(image.convert("RGBA"))[..., : x_hat.shape[2]], x_hat)
        target.unlink()
        return ("exact" if exact else "another picture") if _is_empty(self.out) else "stray file"


class Pictures:
    """Damaged pictures through what compress.py does with one."""

    def __init__(self, folder, pixels):
        import io

        from PIL import Image, ImageCms

        from deepsic.codec import Codec
        from tools.robustness.small_models import make_model, photo
        from tools.robustness.small_pictures import transparent

        self.source, self.out, self.pixels = folder / "a", folder / "out", pixels
        self.codec = Codec(make_model(folder / "pre", "pre"))
        frames = [Image.fromarray(photo(24, 32)[::d]) for d in (1, -1)]
        modes = [frames[0].convert(m) for m in ("RGB", "L", "P", "RGBA", "1", "CMYK", "I;16")]
        self.seeds = []
        for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000", "AVIF"):
            for image in modes:
                for options in ({}, {"save_all": True, "append_images": frames[1:]}):
                    out = io.BytesIO()
                    try:
                        image.save(out, kind, **options)
                    except (OSError, ValueError, KeyError, RuntimeError):
                        continue  # not every format has every mode
                    self.seeds.append(out.getvalue())
        for kind in ("PNG", "TIFF", "WEBP", "AVIF"):
            image, out = transparent(photo(24, 32)), io.BytesIO()
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
            image.save(out, kind, exif=image.info["exif"], icc_profile=profile)
            self.seeds.append(out.getvalue())

    def data(self, rng):
        """A damaged picture."""
        from tools.robustness import mutations

        data = mutations.apply(rng.choice(self.seeds), mutations.random_edits(rng))
        return mutations.mend_png(data) if rng.random() < 0.5 else data, None

    def attempt(self, data, _):
        """What came of it."""
        from deepsic.images import read_picture

        self.source.write_bytes(data)
        try:
            picture = read_picture(self.source, self.pixels, lambda sentence: None)
            data = self.codec.compress(picture)
        except files.BadFile as error:
            return _error(error, self.out)
        x_hat, _ = self.codec.decompress(data)
        return "another picture" if x_hat.shape == picture.pixels.shape else "wrong size"


def _error(error, out):
    text = str(error)
    if not text or "\n" in text:
        return f"no sentence: {text!r}"
    return "error" if _is_empty(out) else "stray file"


def _is_empty(folder):
    return not folder.exists() or not any(folder.iterdir())


def work(kind, numbers, pixels, pipe):
    """Tries files, in a process of its own; sends (number, outcome, seconds, peak in MB)."""
    # What decoders in C say of damage is no output of ours.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with tempfile.TemporaryDirectory() as name:
        subject = (Files if kind == "files" else Pictures)(pathlib.Path(name), pixels)
        for number in numbers:
            data, extra = subject.data(random.Random(f"{kind} {number}"))
            pipe.send((number, None, data, 0))
            start = time.perf_counter()
            try:
                outcome = subject.attempt(data, extra)
            except Exception as error:  # which is what is looked for
                outcome = f"traceback: {type(error).__name__}: {error}"
            spent = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pipe.send((number, outcome, spent, peak))


class State:
    """What has been tried, kept in a file."""

    def __init__(self, out, kind):
        self.path, self.failures = out / f"{kind}.json", out / "failures"
        self.kind = kind
        self.values = {"done": 0, "outcomes": {}, "slowest": [0.0, -1], "peak_mb": 0.0}
        if self.path.exists():
            self.values = json.loads(self.path.read_text())

    def add(self, number, outcome, seconds, peak, data):
        """Counts one file, and keeps it if it did what none may."""
        v = self.values
        if outcome in GOOD and seconds > F.seconds:
            outcome = f"took {seconds:.1f} s"
        if outcome not in GOOD:
            path = self.failures / f"{self.kind}-{number}"
            files.write_atomically(path, lambda handle: handle.write(data))
            print(f"{path}: {outcome}", flush=True)
            outcome = outcome.split(":")[0]
        v["outcomes"][outcome] = v["outcomes"].get(outcome, 0) + 1
        v["done"] = number + 1
        v["slowest"] = max(v["slowest"], [seconds, number])
        v["peak_mb"] = max(v["peak_mb"], peak)
        if v["done"] % 500 == 0:
            self.save()

    def save(self):
        """Writes the file."""
        files.write_text_atomically(self.path, lambda f: f.write(json.dumps(self.values) + "\n"))


def try_all(kind, count, out):
    """Runs workers until all files are tried; one that dies or hangs is followed by another."""
    from tqdm import tqdm

    state, context = State(out, kind), multiprocessing.get_context("spawn")
    with tqdm(total=count, initial=state.values["done"], desc=kind, unit="file") as bar:
        try:
            while state.values["done"] < count:
                pipe, other = context.Pipe(duplex=False)
                numbers = range(state.values["done"], count)
                worker = context.Process(target=work, args=(kind, numbers, F.pixels, other))
                worker.start()
                other.close()
                try:
                    _follow(pipe, state, bar)
                finally:
                    worker.kill()
                    worker.join()
        finally:
            state.save()
    return state.values


def _follow(pipe, state, bar):
    """Counts what a worker reports until it ends, however it does."""
    current, data = None, None
    peak = 0.0
    while True:
        try:
            # Making models takes a minute on a busy machine.
            if not pipe.poll(F.seconds * 3 if current is not None else 600):
                break
            number, outcome, *rest = pipe.recv()
        except EOFError:
            break
        if outcome is None:
            current, data = number, rest[0]
        else:
            current, peak = None, rest[1]
            state.add(number, outcome, *rest, data)
            bar.update()
    if current is not None:
        state.add(current, "crash or hang", F.seconds * 3, peak, data)
        bar.update()
    elif data is None:
        raise cli.UserError("a worker did not start.")


def main(rest):
    if rest:
        raise cli.UserError(f"fuzz takes flags only, not {rest[0]!r}.")
    out, bad = pathlib.Path(F.folder), 0
    for kind, count in (("files", F.files), ("pictures", F.pictures)):
        if not count:
            continue
        found = try_all(kind, count, out)
        slowest, number = found["slowest"]
        print(f"{kind}: {found['done']} tried, slowest number {number} in {slowest:.2f} s,")
        print(f"  peak memory {found['peak_mb']:.0f} MB")
        for outcome, times in collections.Counter(found["outcomes"]).most_common():
            print(f"  {times:8} {outcome}")
            bad += 0 if outcome in GOOD else times
    return 1 if bad else 0


if __name__ == "__main__":
    cli.run(main, __doc__)
