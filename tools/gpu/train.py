"""Trains the networks of several models at once on one GPU, with PyTorch, for a given time.

    python3 -m tools.gpu.train --start=low.npz,high.npz --tiles=tiles.npz --seconds=580 --out=OUT

Starts are what `tools.gpu.exchange start` writes, and OUT/low.npz is what `take` takes back.
First the rate terms learn alone. Then all models take steps in turn, each on a stream of its own;
the learning rate falls to zero by half a cosine over the time that is given. A window of steps
whose loss is far above the best one so far is taken back, and the learning rate halved. A call
with a --state that is there goes on from it.
"""

import pathlib

from absl import flags

from deepsic import cli
from tools.gpu.machine import QUEUE, age, half_cosine, open_device

WARMUP = 300

F = flags.FLAGS
flags.DEFINE_list("start", None, "Files of the models to train.", required=True)
flags.DEFINE_list("tiles", None, "Files of pictures, all of one size.", required=True)
flags.DEFINE_string("out", None, "Folder of what is made.", required=True)
flags.DEFINE_string("state", None, "File that keeps everything between two calls.")
flags.DEFINE_float("seconds", 600, "Age at which the process ends.", 1)
flags.DEFINE_integer("steps", None, "Most steps, if they are to end before the time.", 1)
flags.DEFINE_float("rate_seconds", 20, "How long the rate terms learn alone.", 0)
flags.DEFINE_bool("fall", True, "Let the learning rate fall.")
flags.DEFINE_integer("batch", 32, "Patches in a step of one model.", 1)
flags.DEFINE_integer("patch", 192, "Side of the square patches, pixels.", 1)
flags.DEFINE_float("rate_lr", 1.5e-3, "Learning rate of the rate terms.", 0)
flags.DEFINE_integer("window", 400, "Steps between two looks at the losses.", 1)
flags.DEFINE_integer("seed", 1, "Seed.", 0)


def run(trainees, with_networks, until):
    """All models take steps in turn until the process is `until` seconds old."""
    import torch

    for trainee in trainees:
        trainee.begin(with_networks)
    begun, count = age(), 0
    print(f"{begun:.0f} s: {until - begun:.0f} s of training", flush=True)
    while age() < until and count != F.steps:
        falls = F.fall and with_networks
        fall = half_cosine(begun, until, count, F.steps) if falls else 1.0
        for trainee in trainees:
            trainee.step(fall * min(1.0, (count + 1) / WARMUP), F.rate_lr * fall)
        count += 1
        look = count % F.window == 0
        on_gpu = torch.cuda.is_available()
        if on_gpu and (look or count % QUEUE == 0):
            torch.cuda.synchronize()
        if look:
            print(
                f"{age():.0f} s, {count}:", *[t.look(F.window, age()) for t in trainees], sep="\n"
            )
            if on_gpu:  # what is kept is copied on another stream
                torch.cuda.synchronize()
    print(f"{count} steps of {F.batch} in {age() - begun:.1f} s", flush=True)


def main(rest):
    import torch

    from tools.gpu.tiles import load_tiles
    from tools.gpu.trainee import Options, Trainee

    if rest:
        raise cli.UserError(f"tools.gpu.train takes flags only, not {rest[0]!r}.")
    device = open_device(F.seed)
    torch.backends.cudnn.benchmark = True
    tiles = load_tiles(F.tiles, device)
    print(f"{age():.0f} s: {len(tiles)} tiles on {device}", flush=True)
    options = Options(F.batch, F.patch, F.seed, device)
    trainees = [Trainee(path, options, tiles) for path in F.start]
    if F.state and pathlib.Path(F.state).exists():
        for trainee, (spread, *state) in zip(trainees, torch.load(F.state), strict=True):
            trainee.restore(state)
            trainee.w["rate/log_spread"].copy_(spread)
    else:
        for trainee in trainees:
            trainee.start_rate()
        run(trainees, False, age() + F.rate_seconds)
    run(trainees, True, F.seconds)
    out = pathlib.Path(F.out)
    out.mkdir(parents=True, exist_ok=True)
    for trainee in trainees:
        trainee.write(out)
    if F.state:
        torch.save([[t.w["rate/log_spread"], *t.state] for t in trainees], F.state)


if __name__ == "__main__":
    cli.run(main, __doc__)
