"""Ships a trained model under checkpoints/, and writes measured results on the cards.

    python -m tools.release.publish --model=runs/pre/model --name=pre-0.5bpp --data='What it saw.'
    python -m tools.release.publish --model=runs/mid/model --name=mid --steps=0.5bpp=32 --data=…
    python -m tools.release.publish --retire=mid
    python -m tools.release.publish --results=results/

The first copies a model folder; `pre` and `post` of one codec share a folder, which is called by
their name without the arch. What a shipped folder has of other heads and of older tables stays,
and its networks are never replaced: files of theirs decode for ever. `--retire` makes place for
others: it moves a model to checkpoints/former, where decoders find it. The last takes what
evaluate.py measured on all of Kodak and on a labelled set, and leaves out what
is not of the weights that are shipped.
"""

import csv
import json
import os
import pathlib
import re

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from deepsic import cli

F = flags.FLAGS
flags.DEFINE_string("model", None, "Folder of the model to ship.")
flags.DEFINE_string("name", None, "Name of the shipped model.")
flags.DEFINE_string("data", None, "Sentence that says what it was trained on.")
flags.DEFINE_list("steps", [], "Steps of a model with gains that get a name, as 0.5bpp=32.")
flags.DEFINE_list("best_steps", [], "First and last step that a search for a target tries.")
flags.DEFINE_string("retire", None, "Name of a shipped folder that others take the place of.")
flags.DEFINE_string("results", None, "Folder that evaluate.py wrote its results to.")

KODAK = ("bpp", "psnr_rgb", "psnr_luma", "ms_ssim_rgb", "ms_ssim_luma")
ACCURACY = ("classes", "pictures", "bpp", "psnr_rgb", "top1", "top1_low", "top1_high")


def ship():
    """Copies a model to checkpoints/, beside the other head of its codec if that is there."""
    from deepsic import folders, saving, store

    source = store.find(F.model)
    target = store.CHECKPOINTS / F.name.removeprefix(f"{source.arch}-")
    older = [name for name in source.manifest["sha256"] if name.startswith("tables/")]
    files = {name: source.read(name) for name in {**source.checksums, **dict.fromkeys(older)}}
    tables, known = source.read_tables(), source.manifest["tables"]
    cards = {source.arch: source.card | {"name": F.name, "data": F.data}}
    names = {name: int(step) for name, step in (pair.split("=") for pair in F.steps)}
    rates = source.rates | ({"names": names} if names else {})
    rates |= {"steps": [int(step) for step in F.best_steps]} if F.best_steps else {}
    if (target / folders.CARD).exists():
        old = folders.open_folder(target)
        if any(old.read(name) != files[name] for name in saving.CODEC):
            raise cli.UserError(
                f"{target} has other networks, whose files decode for ever; choose another --name."
            )
        there = [n for n in old.manifest["sha256"] if n.startswith(("heads/", "tables/"))]
        files = {name: old.read(name) for name in there} | files
        cards = old.manifest["cards"] | cards
        if known[0] in old.manifest["tables"]:  # a head for a codec that got newer tables since
            tables, known = old.read_tables(), old.manifest["tables"]
        known = list(dict.fromkeys(known + old.manifest["tables"]))
    shipped = saving.write(target, source.arch, files, tables, known, cards, rates)
    for path in target.rglob("*"):
        name = path.relative_to(target).as_posix()
        if path.is_file() and name not in (folders.CARD, *shipped.manifest["sha256"]):
            path.unlink()
    print(f"{target}: {shipped.fingerprints[0].hex()}")


def write_manifest(path, manifest):
    """Replaces a folder's manifest."""
    from deepsic import folders
    from deepsic.files import write_atomically

    text = (json.dumps(manifest, indent=2) + "\n").encode()
    write_atomically(path / folders.CARD, lambda handle: handle.write(text))


def retire():
    """Moves a shipped model to where only decoders look, without the names of its steps."""
    from deepsic import folders, store

    folder = folders.open_folder(store.CHECKPOINTS / F.retire)
    target = store.CHECKPOINTS / "former" / f"{F.retire}-{folder.fingerprints[0].hex()}"
    target.parent.mkdir(exist_ok=True)
    folder.path.rename(target)
    folder.manifest["rates"].pop("names", None)
    write_manifest(target, folder.manifest)
    print(f"{target}: files of theirs decode as before")


def rows_of(path):
    """The rows of a CSV file, or none if it is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def kodak_rows(results):
    """Means over the Kodak set, or none if it is not what was measured."""
    from evaluation.curves import KODAK as PICTURES
    from evaluation.curves import is_kodak

    if not is_kodak({r["image"] for r in rows_of(results / "rd.csv")}):
        print(f"{results}/rd.csv is not of the {len(PICTURES)} Kodak pictures: left out.")
        return []
    return [r for r in rows_of(results / "summary.csv") if r["images"] == str(len(PICTURES))]


def write_results(results):
    """Adds the measured figures to the cards of the models that they are of."""
    from deepsic import folders, store

    kodak = {(r["codec"], r["setting"]): r for r in kodak_rows(results)}
    own = [r for r in rows_of(results / "semantics.csv") if r.get("control") == "no"]
    accuracy = {(r["model"], r.get("fingerprint")): r for r in own}
    for folder in store.shipped():
        # Read anew: another model of the folder may have been written meanwhile.
        manifest = folders.open_folder(folder.path).manifest
        card = dict(manifest["cards"][folder.arch])
        of_rate = card
        if folder.named_steps:
            measured = card["measured"] = dict(card.get("measured", {}))
            of_rate = measured[folder.rate_name] = dict(measured.get(folder.rate_name, {}))
        key = folder.name, folder.identity
        if key in kodak:
            of_rate["kodak"] = {k: round(float(kodak[key][k]), 4) for k in KODAK}
        if key in accuracy:
            mine = accuracy[key]
            # Where the folder was is nobody's business.
            of_rate["accuracy"] = {"set": re.sub("^folder:.*[/\\\\]", "folder:", mine["set"])}
            of_rate["accuracy"] |= {k: round(float(mine[k]), 4) for k in ACCURACY}
        if of_rate.keys() & {"kodak", "accuracy"} and card != folder.card:
            manifest["cards"][folder.arch] = card
            write_manifest(folder.path, manifest)
            print(f"{folder.path / folders.CARD}: written")


def main(rest):
    if rest or not (F.results or F.retire or (F.model and F.name and F.data)):
        raise cli.UserError("publish needs --model, --name and --data, or --retire, or --results.")
    if F.name and not re.fullmatch(r"\w[\w.-]*", F.name):
        raise cli.UserError(f"{F.name} cannot be the name of a folder under checkpoints/.")
    if F.results and not pathlib.Path(F.results).is_dir():
        raise cli.UserError(f"{F.results} does not exist.")
    if F.retire:
        retire()
    if F.model:
        ship()
    if F.results:
        write_results(pathlib.Path(F.results))
    return 0


if __name__ == "__main__":
    cli.run(main, __doc__)
