"""Distils the head of a `post` model on one GPU, with PyTorch, for a given time.

    python3 -m tools.gpu.heads --start=low.npz --lesson=a.npz,b.npz --networks=lite.npz \
      --seconds=300 --out=OUT

All are made by `tools.gpu.exchange` (`start`, `lesson`, `networks`), and `take_head` takes back
OUT/low.npz. It does what `training.distil` does, on crops of the pictures too.
"""

import json
import pathlib

from absl import flags

from deepsic import cli
from tools.gpu.machine import QUEUE, age, half_cosine, open_device

WARMUP = 100

F = flags.FLAGS
flags.DEFINE_string("start", None, "File of the model.", required=True)
flags.DEFINE_list("lesson", None, "Files of pictures, all of one size.", required=True)
flags.DEFINE_string("networks", None, "File of the teacher's networks.", required=True)
flags.DEFINE_string("out", None, "Folder of what is made.", required=True)
flags.DEFINE_float("seconds", 300, "Age at which the process ends.", 1)
flags.DEFINE_integer("steps", None, "Most steps, if they are to end before the time.", 1)
flags.DEFINE_integer("batch", 128, "Pictures in a step.", 1)
flags.DEFINE_list("sides", ["128", "176", "224", "256"], "Sides of the pictures, pixels.")
flags.DEFINE_float("lr", 2e-3, "Learning rate, in deviations of the map's weights.", 0)
flags.DEFINE_integer("crops", 4, "Crops of each picture that is learnt from, itself among them.", 1)
flags.DEFINE_integer("solved", 1024, "Pictures that the least squares see.", 1)
flags.DEFINE_integer("held", 512, "Last pictures of the lesson, which are only looked at.", 1)
flags.DEFINE_float("look", 30, "Seconds between two looks at those.", 0)
flags.DEFINE_integer("seed", 1, "Seed.", 0)


def main(rest):
    import torch

    from tools.gpu import efficientnet
    from tools.gpu.distil import Codec, Head, random_crops, teach
    from tools.gpu.tiles import load_tiles

    if rest:
        raise cli.UserError(f"tools.gpu.heads takes flags only, not {rest[0]!r}.")
    device = open_device(F.seed)
    x = load_tiles(F.lesson, device)
    if len(x) < 2:
        raise cli.UserError("--lesson must hold two pictures or more; one of them is looked at.")
    networks = efficientnet.open_networks(F.networks, device)
    held = min(F.held, len(x) // 2)
    unseen, x = x[-held:], x[:-held]
    learnt, sides = len(x), [int(s) for s in F.sides]
    print(f"{age():.0f} s: {learnt} pictures on {device}", flush=True)
    x = torch.cat([x, *(random_crops(x) for _ in range(F.crops - 1))])
    answers, wanted = teach(networks, x), teach(networks, unseen)
    print(f"{age():.0f} s: the teacher has answered", flush=True)
    codec = Codec(F.start, device)
    head = Head(codec, networks[0])
    head.solve(x[: min(F.solved, learnt)], sides)
    print(f"{age():.0f} s: the map is solved", flush=True)
    begun = looked = age()
    steps, curve = 0, []

    def look():
        told = head.judge(unseen, wanted, networks[0].side)
        curve.append({"seconds": round(age()), "step": steps, **told})
        print(f"{age():.0f} s, {steps}:", json.dumps(told), flush=True)

    look()
    while age() < F.seconds and steps != F.steps:
        fall = half_cosine(begun, F.seconds, steps, F.steps) * min(1.0, (steps + 1) / WARMUP)
        chosen = torch.randint(len(x), (F.batch,), device=device)
        side = sides[int(torch.randint(len(sides), ()))]
        seen = codec.seen(codec.shrunk(x[chosen], side, flip=steps % 2 == 1))
        head.learn(seen, answers[chosen], F.lr * fall)
        steps += 1
        if steps % QUEUE == 0 and device == "cuda":
            torch.cuda.synchronize()
        if age() - looked > F.look:
            looked = age()
            look()
    look()
    out = pathlib.Path(F.out)
    out.mkdir(parents=True, exist_ok=True)
    told = {"steps": steps, "batch": F.batch, "lr": F.lr, "crops": F.crops, "pictures": learnt}
    head.write(out / f"{codec.name}.npz", {"name": codec.name, **told, "curve": curve})


if __name__ == "__main__":
    cli.run(main, __doc__)
