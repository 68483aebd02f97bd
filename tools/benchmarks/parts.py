"""Times encoding and decoding by part: networks, context classifier, range coder, file.

    python -m tools.benchmarks.parts --images='kodak/*.png' [--models=a,b] [--threads=1,2]

Each number of threads is measured in a process of its own that may use as many
processors, warm, as the median over rounds of the mean over pictures. The last
column is what the context classifier and the range coder add to the network of
that direction.
"""

import glob
import os
import statistics
import subprocess
import sys
import time

from absl import flags

from deepsic import cli, runtimes

F = flags.FLAGS
flags.DEFINE_string("images", None, "Glob of pictures; without it, photographs of packages.")
flags.DEFINE_list("models", ["pre-0.5bpp"], "Names or folders of models.")
flags.DEFINE_list("threads", ["1", "2"], "Numbers of threads to measure with.")
flags.DEFINE_integer("pictures", 6, "Number of pictures.", 1)
flags.DEFINE_integer("rounds", 3, "How many times each picture is coded.", 1)

flags.DEFINE_enum("runtime", "litert", runtimes.NAMES, "Runtime of the networks.")

THREADS = "DSIC_BENCHMARK_THREADS"
PARTS = ("network", "head", "context", "range coder", "file")


class Clock:
    """Adds up seconds by part; a part inside another is taken off the outer one."""

    def __init__(self):
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.inner = 0.0

    def timed(self, part, function):
        """The function, with its time counted as that part's."""

        def run(*args):
            before, start = self.inner, time.perf_counter()
            result = function(*args)
            spent = time.perf_counter() - start
            self.seconds[part] += spent - (self.inner - before)
            self.inner = before + spent
            return result

        return run


def measure(codec, pictures):
    """Milliseconds a picture by part: (encode, decode)."""
    from deepsic import container

    files = [codec.compress(x) for x in pictures]  # warms up
    for data in files:
        codec.decompress(data)
    totals = []
    for direction, items in (("encode", pictures), ("decode", files)):
        rounds = []
        for _ in range(F.rounds):
            clock = Clock()
            originals = _instrument(codec, clock, container)
            try:
                for item in items:
                    (codec.compress if direction == "encode" else codec.decompress)(item)
            finally:
                for owner, name, value in originals:
                    setattr(owner, name, value)
            rounds.append({k: 1000 * v / len(items) for k, v in clock.seconds.items()})
        totals.append({k: statistics.median(r[k] for r in rounds) for k in PARTS})
    return totals


def _range_coder(codec):
    """The methods of a runtime's range coder, each with its class."""
    table = codec.coder.lookup
    encoder = codec.coder.range_coder.encoder(table)
    decoder = codec.coder.range_coder.decoder(encoder.finish(), table)
    owners = ((type(encoder), "encode"), (type(decoder), "decode"))
    return [(o, n, "range coder") for o, name in owners for n in (name, "finish")]


def _instrument(codec, clock, container):
    """Wraps every part; returns what to put back."""
    parts = [
        (codec, "features", "network"),
        (codec, "reconstruct", "network"),
        (codec, "classify_batch", "head"),
        (codec, "classify_symbols", "head"),
        (codec, "symbols", "context"),
        (codec.coder, "encode", "context"),
        (codec.coder, "decode", "context"),
        *_range_coder(codec),
        (container, "pack", "file"),
        (container, "unpack", "file"),
    ]
    originals = []
    for owner, name, part in parts:
        value = getattr(owner, name)
        originals.append((owner, name, value))
        setattr(owner, name, clock.timed(part, value))
    return originals


def _report(name, threads, direction, ms):
    coding = ms["context"] + ms["range coder"]
    cells = " ".join(f"{ms[p]:9.1f}" for p in PARTS)
    ratio = f"{coding / ms['network']:.2f}"
    print(f"{name:14} {threads:>7} {direction:9} {cells} {sum(ms.values()):9.1f} {ratio:>9}")


def matching():
    """The paths that --images names; none without it. Raises cli.UserError if it fits nothing."""
    paths = sorted(glob.glob(F.images)) if F.images else []
    if F.images and not paths:
        raise cli.UserError(f"no file matches --images={F.images}.")
    return paths


def _measure_here(threads):
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))
    from data.samples import sample_images
    from deepsic import store
    from deepsic.codec import Codec
    from deepsic.images import read_image

    paths = matching()[: F.pictures]
    pictures = [read_image(p) for p in paths] or list(sample_images().values())[: F.pictures]
    for name in F.models:
        codec = Codec(store.find(name), runtime=F.runtime)
        for direction, ms in zip(("encode", "decode"), measure(codec, pictures), strict=True):
            _report(codec.folder.name, threads, direction, ms)


def main(rest):
    if rest:
        raise cli.UserError(f"benchmark takes flags only, not {rest[0]!r}.")
    if THREADS in os.environ:
        _measure_here(int(os.environ[THREADS]))
        return 0
    matching()
    if not all(n.isdecimal() and int(n) for n in F.threads):
        raise cli.UserError("--threads takes numbers, such as 1,2.")
    head = " ".join(f"{p:>9}" for p in (*PARTS, "total"))
    print(f"{'model':14} {'threads':>7} {'ms a file':9} {head} coding/network", flush=True)
    for threads in F.threads:
        environment = os.environ | {THREADS: threads, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "tools.benchmarks.parts", *sys.argv[1:]]
        code = subprocess.run(command, env=environment).returncode
        if code:  # it has said why
            return code
    return 0


if __name__ == "__main__":
    cli.run(main, __doc__)
