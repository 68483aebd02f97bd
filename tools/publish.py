"""Ships a trained model under checkpoints/, and writes measured results on the cards.

    python -m tools.publish --model=runs/pre/model --name=pre-0.5bpp --data='What it saw.'
    python -m tools.publish --results=results/

The first copies a model folder with its newest tables. The second takes what
evaluate.py measured on Kodak and on a labelled set, and leaves out what is not
of the weights that are shipped.
"""

import csv
import json
import pathlib

from absl import flags

import cli

F = flags.FLAGS
flags.DEFINE_string("model", None, "Folder of the model to ship.")
flags.DEFINE_string("name", None, "What it is to be called.")
flags.DEFINE_string("data", None, "What it was trained on, a sentence.")
flags.DEFINE_string("results", None, "OUT of evaluate.py.")

KODAK = ("bpp", "psnr_rgb", "psnr_luma", "ms_ssim_rgb", "ms_ssim_luma")
ACCURACY = ("classes", "pictures", "bpp", "top1", "top1_low", "top1_high")


def ship():
    """Copies a model to checkpoints/; files of a model that stood there go."""
    from models import store

    source = store.find(F.model)
    target = store.CHECKPOINTS / F.name
    for path in target.glob("*"):
        path.unlink()
    card = {k: v for k, v in source.card.items() if k not in ("tables", "sha256")}
    card |= {"name": F.name, "data": F.data}
    shipped = store.save(
        target, store.load_networks(source), source.read_tables(), source.labels, card
    )
    print(f"{target}: {shipped.fingerprints[0].hex()}")


def rows_of(path):
    """The rows of a CSV file, or none if it is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_results(results):
    """Adds the measured figures to the cards of the models that they are of."""
    from files import write_atomically
    from models import store

    kodak = {(r["codec"], r["setting"]): r for r in rows_of(results / "summary.csv")}
    accuracy = {r["model"]: r for r in rows_of(results / "semantics.csv") if r["control"] == "no"}
    for folder in store.shipped():
        name, card = folder.path.name, dict(folder.card)
        found = kodak.get((name, folder.fingerprints[0].hex()))
        if found:
            card["kodak"] = {k: round(float(found[k]), 4) for k in KODAK}
        if name in accuracy:
            card["accuracy"] = {k: round(float(accuracy[name][k]), 4) for k in ACCURACY}
        if card != folder.card:
            text = json.dumps(card, indent=2).encode()
            write_atomically(folder.path / store.CARD, lambda handle, text=text: handle.write(text))
            print(f"{folder.path / store.CARD}: written")


def main(rest):
    if rest or not (F.results or (F.model and F.name and F.data)):
        raise cli.UserError("publish needs --model, --name and --data, or --results.")
    from models.errors import ModelError

    try:
        if F.model:
            ship()
        if F.results:
            write_results(pathlib.Path(F.results))
    except (ModelError, OSError) as error:
        raise cli.UserError(str(error)) from error
    return 0


if __name__ == "__main__":
    cli.run(main, __doc__)
