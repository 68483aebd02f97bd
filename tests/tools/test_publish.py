"""Shipping a model: whole, and with figures of its own weights only."""

import csv
import json
import shutil

import numpy as np
import pytest

import deepsic
from deepsic import container, folders, saving, store
from deepsic.errors import UnknownModel
from deepsic.registry import Registry
from evaluation.curves import KODAK
from tests.calls import call
from tools.robustness.small_models import make_model
from training.context.fit import fit


def files_in(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def publish(checkpoints, *arguments, code=0):
    """Runs the tool on another folder of shipped models; returns what it says."""
    script = (
        "import pathlib, sys; from deepsic import cli, folders, store;"
        f"store.CHECKPOINTS = pathlib.Path({str(checkpoints)!r});"
        "from tools.release import publish; cli.run(publish.main, '')"
    )
    return "".join(call("-c", script, *arguments, code=code))


def write(path, rows):
    with path.open("w", newline="") as handle:
        lines = csv.DictWriter(handle, list(rows[0]))
        lines.writeheader()
        lines.writerows(rows)


def write_results(out, name, fingerprint, images):
    out.mkdir(exist_ok=True)
    kodak = dict.fromkeys(("bpp", "psnr_rgb", "psnr_luma", "ms_ssim_rgb", "ms_ssim_luma"), 0.5)
    write(out / "rd.csv", [{"image": f"{i}.png"} for i in images])
    summary = {"codec": name, "setting": fingerprint, "images": len(images), **kodak}
    write(out / "summary.csv", [summary])
    row = {"set": "a set", "model": name, "fingerprint": fingerprint, "control": "no"}
    shares = dict.fromkeys(("bpp", "psnr_rgb", "top1", "top1_low", "top1_high"), 0.75)
    write(out / "semantics.csv", [{**row, "classes": 3, "pictures": 9, **shares}])


def test_networks_that_were_shipped_are_not_replaced(tmp_path, pre):
    shipped = tmp_path / "checkpoints"
    other = make_model(tmp_path / "other", "post", ["cat", "dog"])
    publish(shipped, f"--model={other.path}", "--name=m", "--data=Nothing.")
    said = publish(shipped, f"--model={pre.path}", "--name=m", "--data=Nothing.", code=1)
    assert "other networks" in said
    folder = folders.open_folder(shipped / "m")
    assert folder.fingerprints == other.fingerprints


def test_a_retired_model_decodes_its_files_and_makes_no_new_ones(tmp_path, pre, monkeypatch):
    shipped = tmp_path / "checkpoints"
    publish(shipped, f"--model={pre.path}", "--name=m", "--steps=0.5bpp=0", "--data=Nothing.")
    monkeypatch.setattr(store, "CHECKPOINTS", shipped)
    x = np.full((32, 48, 3), 90, np.uint8)
    data = deepsic.load("0.5bpp").compress(x)
    before = Registry().codec(container.unpack(data)[0]).decompress(data)[0]
    publish(shipped, "--retire=m")
    assert store.shipped() == []
    with pytest.raises(UnknownModel, match="no model"):
        deepsic.load("0.5bpp")
    codec = Registry().codec(container.unpack(data)[0])
    assert codec.folder.path.parent == shipped / "former"
    np.testing.assert_array_equal(codec.decompress(data)[0], before)
    # Another one takes its name.
    other = make_model(tmp_path / "other", "pre", ["cat", "dog"])
    publish(shipped, f"--model={other.path}", "--name=m", "--data=Nothing.")
    assert [f.fingerprints for f in store.shipped()] == [other.fingerprints]


def test_tables_that_were_shipped_stay(tmp_path, pre):
    shipped, again = tmp_path / "checkpoints", shutil.copytree(pre.path, tmp_path / "again")
    publish(shipped, f"--model={pre.path}", "--name=m", "--data=Nothing.")
    q = np.zeros((1, 32, 32, pre.config.latents), np.int8)
    tables = fit(q, lowest=1 - (1 << pre.config.bits - 1), hidden=4, steps=0)
    refitted = saving.add_tables(folders.open_folder(again), tables.to_bytes())
    publish(shipped, f"--model={again}", "--name=m", "--data=Refitted.")
    folder = folders.open_folder(shipped / "m")
    assert folder.fingerprints == refitted.fingerprints
    assert folder.fingerprints[1:] == pre.fingerprints
    # A head that was made before leaves the newer tables where they are.
    publish(shipped, f"--model={pre.path}", "--name=m", "--data=Before.")
    assert folders.open_folder(shipped / "m").fingerprints == folder.fingerprints
    assert files_in(shipped / "m") == {folders.CARD, *folder.manifest["sha256"]}


def test_a_model_gets_its_own_figures(tmp_path, pre):
    shipped, old = tmp_path / "checkpoints", "00000000"
    publish(shipped, f"--model={pre.path}", "--name=m", "--data=Nothing.")
    folder = folders.open_folder(shipped / "m")
    assert folder.config.arch == "pre"
    assert files_in(shipped / "m") == {folders.CARD, *folder.manifest["sha256"]}
    # Once more from itself, which must not lose it.
    publish(shipped, f"--model={shipped / 'm'}", "--name=m", "--data=Something.")
    card = folders.open_folder(shipped / "m").card
    assert card["data"] == "Something."
    new, out = folder.fingerprints[0].hex(), tmp_path / "results"
    write_results(out, "m", old, KODAK)
    publish(shipped, f"--results={out}")
    assert json.loads((shipped / "m" / folders.CARD).read_text())["cards"]["pre"] == card
    write_results(out, "m", new, KODAK)
    publish(shipped, f"--results={out}")
    filled = folders.open_folder(shipped / "m").card
    assert filled["kodak"]["psnr_rgb"] == 0.5
    assert filled["accuracy"] == {
        "set": "a set", "classes": 3, "pictures": 9, "bpp": 0.75,
        "psnr_rgb": 0.75, "top1": 0.75, "top1_low": 0.75, "top1_high": 0.75,
    }  # fmt: skip


def test_steps_get_names_and_figures_of_their_own(tmp_path):
    shipped, out = tmp_path / "checkpoints", tmp_path / "results"
    model = make_model(tmp_path / "fine", "pre", gains=2)
    given = (f"--model={model.path}", "--name=fine", "--data=Nothing.")
    publish(shipped, *given, "--steps=0.2bpp=3,0.4bpp=30", "--best_steps=-4,40")
    folder = folders.open_folder(shipped / "fine")
    assert folder.best_steps == range(-4, 41)
    assert folder.named_steps == {"0.2bpp": 3, "0.4bpp": 30}
    fingerprint = folder.fingerprints[0].hex()
    for name, step in folder.named_steps.items():
        write_results(out, f"pre-{name}", f"{fingerprint}@{step}", KODAK)
        publish(shipped, f"--results={out}")
    card = folders.open_folder(shipped / "fine").card
    assert [r["kodak"]["bpp"] for r in card["measured"].values()] == [0.5, 0.5]
    publish(shipped, f"--model={shipped / 'fine'}", "--name=fine", "--data=Again.")
    assert folders.open_folder(shipped / "fine").named_steps == folder.named_steps


def test_other_pictures_are_not_called_kodak(tmp_path, pre):
    shipped, out = tmp_path / "checkpoints", tmp_path / "results"
    publish(shipped, f"--model={pre.path}", "--name=m", "--data=Nothing.")
    write_results(out, "m", folders.open_folder(shipped / "m").fingerprints[0].hex(), ["a", "b"])
    assert "left out" in publish(shipped, f"--results={out}")
    card = folders.open_folder(shipped / "m").card
    assert "kodak" not in card
    assert card["accuracy"]["set"] == "a set"


def test_two_heads_of_one_codec_share_a_folder(tmp_path, pre):
    """`post` here is the same model with its head on the other side."""
    other = as_post(pre.path, tmp_path / "model")
    shipped = tmp_path / "checkpoints"
    publish(shipped, f"--model={pre.path}", "--name=pre-1bpp", "--data=This.")
    publish(shipped, f"--model={other}", "--name=post-1bpp", "--data=That.")
    assert [p.name for p in shipped.iterdir()] == ["1bpp"]
    folder = folders.open_folder(shipped / "1bpp")
    assert folder.archs == ["pre", "post"]
    assert folder.name == "pre-1bpp"
    assert folder.card["data"] == "This."
    for name in ("pre-1bpp", "post-1bpp"):
        found = store.find(shipped / name)
        assert (found.name, found.arch) == (name, name.split("-")[0])
        assert found.fingerprints == pre.fingerprints
        assert store.find(found.reference) == found
    assert files_in(shipped / "1bpp") == {folders.CARD, *folder.manifest["sha256"]}


def as_post(source, target):
    """A model's folder with its head as that of the other arch."""
    shutil.copytree(source, target)
    (target / "heads" / "pre").rename(target / "heads" / "post")
    text = (target / folders.CARD).read_text().replace("heads/pre", "heads/post")
    manifest = json.loads(text)
    manifest["cards"] = {"post": manifest["cards"]["pre"]}
    (target / folders.CARD).write_text(json.dumps(manifest))
    return target
