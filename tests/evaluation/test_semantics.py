"""Semantics on a small set: what is counted, against models, and what is left out."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from data.sources import open_source
from deepsic import folders
from deepsic.codec import Codec
from evaluation import (
    classifier,
    classify,
    label_cost,
    semantic_study,
    semantic_table,
    semantics,
    study,
)
from evaluation.labelled import chunks
from tools.robustness.small_models import CLASSES, make_model, photo
from training import head

COUNT = 3


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A folder of three classes with a few pictures each."""
    root = tmp_path_factory.mktemp("set")
    for number, name in enumerate(CLASSES):
        folder = root / "val" / name
        folder.mkdir(parents=True)
        for i in range(COUNT):
            x = photo(150, 140)[number * 8 :, i * 8 :]
            Image.fromarray(x).save(folder / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def source(dataset):
    return open_source(f"folder:{dataset}", "val")


@pytest.fixture(scope="module")
def results(source, pre, post, tmp_path_factory):
    out = tmp_path_factory.mktemp("semantics")
    models = study.named([pre, post])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_cost, "TRIES", 1)
        assert semantic_study.run(source, "a set", models, out, jobs=1, limit=0) == 0
    return out


def read(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def of(rows, **wanted):
    return [r for r in rows if all(r[k] == v for k, v in wanted.items())]


def test_chunks_hold_every_picture_in_one_order(source):
    (chunk,) = chunks(source, 0, print)
    assert chunk.x.shape == (9, 128, 128, 3)
    assert sorted(chunk.truth.tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    (again,) = chunks(source, 0, print)
    assert again.digest == chunk.digest
    (few,) = chunks(source, 3, print)
    assert (few.truth == chunk.truth[::3]).all()
    assert (few.x == chunk.x[::3]).all()


@pytest.mark.parametrize("arch", ["pre", "post"])
def test_accuracies_are_those_of_the_models_own_answers(results, source, pre, post, arch):
    codec = Codec({"pre": pre, "post": post}[arch])
    (chunk,) = chunks(source, 0, print)
    hits = bits = 0
    for x, truth in zip(chunk.x, chunk.truth, strict=True):
        f = codec.features(x)
        seen = f if arch == "pre" else codec.restore(codec.symbols(f))
        hits += codec.classify(seen).argmax() == truth
        bits += 8 * len(codec.compress(x))
    (row,) = of(read(results / "semantics.csv"), arch=arch, control="no")
    assert float(row["top1"]) == pytest.approx(hits / 9, abs=1e-5)
    assert float(row["bpp"]) == pytest.approx(bits / 9 / 128**2, rel=1e-4)
    assert float(row["top1_low"]) < hits / 9 < float(row["top1_high"])
    assert float(row["top5"]) == 1
    assert row["classes"] == "3"


def test_the_controls_are_there(results):
    rows = read(results / "semantics.csv")
    for arch, other in (("pre", "dequantised"), ("post", "float")):
        assert any(other in r["sees"] for r in of(rows, arch=arch, who="head", control="yes"))
        for sees in ("decoded pictures", "JPEG at equal bpp"):
            found = of(rows, arch=arch, who=classifier.NAME, sees=sees)
            assert [r["classes"] for r in found] == ["3", "1000"]
            assert float(found[0]["top1"]) >= float(found[1]["top1"])
    assert len(of(rows, sees="original pixels")) == 2


def test_jpeg_has_as_many_bits(results):
    rows = of(read(results / "semantics.csv"), arch="pre")
    (own,) = of(rows, control="no")
    jpeg = of(rows, sees="JPEG at equal bpp")[0]
    assert float(jpeg["bpp"]) == pytest.approx(float(own["bpp"]), rel=0.1)


def measured_beside_jpeg(source, pre, jpeg_bytes):
    """A measurement of one picture, as if its file had 100 bytes."""
    (subject,) = semantics.open_subjects([("pre", pre)], source.labels, print)
    some = {"all": [[0] * 5], "some": [[0] * 5]}
    record = {"bytes": [100], "psnr_rgb": [30.0], "float": [[0]], "dequantised": [[0]]}
    record |= {"jpeg_bytes": [jpeg_bytes], "jpeg_psnr_rgb": [28.0], "decoded": some, "jpeg": some}
    records = {"pre": [record], semantics.ORIGINAL: [{"answers": some}]}
    return semantics.Measured([subject], np.zeros(1, int), records)


@pytest.mark.parametrize(
    ("jpeg_bytes", "sees"), [(104, semantic_table.JPEG_EQUAL), (120, semantic_table.JPEG_SMALLEST)]
)
def test_jpeg_that_cannot_be_so_small_is_not_called_equal(source, pre, jpeg_bytes, sees):
    m = measured_beside_jpeg(source, pre, jpeg_bytes)
    rows = semantic_table.table(m, (0, 1, 2))
    assert {r["sees"] for r in rows if "JPEG" in r["sees"]} == {sees}
    told = [s for s in semantic_study.remarks(m, rows) if "quality 1" in s]
    assert len(told) == (sees == semantic_table.JPEG_SMALLEST)


def test_a_classifiers_answers_are_listed_once_if_the_set_has_all_its_classes(source, pre):
    m = measured_beside_jpeg(source, pre, 100)
    rows = semantic_table.table(m, tuple(range(classifier.CLASSES)))
    assert len(of(rows, sees=semantics.ORIGINAL)) == 1


def test_confusion_counts_every_picture(results):
    rows = read(results / "confusion-pre.csv")
    assert len(rows) == 3
    assert all(sum(int(v) for k, v in row.items() if k != "class") == COUNT for row in rows)
    accuracy = float(of(read(results / "semantics.csv"), arch="pre", control="no")[0]["top1"])
    own = [float(r["pre"]) for r in read(results / "classes.csv")]
    assert np.mean(own) == pytest.approx(accuracy, abs=1e-5)


def test_the_label_costs_what_it_costs(results):
    pre, post = read(results / "label_cost.csv")
    assert 0 < float(pre["label_bits"]) <= 24
    assert float(post["label_bits"]) == 0
    assert float(pre["read_label_s"]) < float(pre["decode_s"])


def test_the_page_has_a_section(results):
    text = (results / "report.html").read_text()
    assert 'id="semantics"' in text
    assert "Yolo Darknet" in text


def test_a_rerun_measures_nothing(results, source, pre, post, monkeypatch):
    monkeypatch.setattr(semantics, "work", lambda task: pytest.fail("measured again"))
    monkeypatch.setattr(label_cost, "_time_commands", lambda s: pytest.fail("timed again"))
    before = (results / "semantics.csv").read_bytes()
    models = study.named([pre, post])
    assert semantic_study.run(source, "a set", models, results, jobs=1, limit=0) == 0
    assert (results / "semantics.csv").read_bytes() == before


def test_models_of_other_classes_are_left_out(source, tmp_path, capsys):
    folder = make_model(tmp_path / "m", "pre", ["cat", "dog"])
    assert semantics.open_subjects([("m", folder)], source.labels, print) == []
    assert "3 classes" in capsys.readouterr().out


def test_answers_are_numbered_as_the_set_does(source, pre, tmp_path):
    folder = folders.open_folder(pre.path)
    (subject,) = semantics.open_subjects([("pre", folder)], source.labels[::-1], print)
    assert subject.order.tolist() == [2, 1, 0]
    (fewer,) = semantics.open_subjects([("pre", folder)], source.labels[1:], print)
    assert fewer.order.tolist() == [-1, 0, 1]


def test_damaged_pictures_are_skipped_and_told(dataset, tmp_path):
    copy = shutil.copytree(dataset, tmp_path / "copy")
    (copy / "val" / CLASSES[0] / "1.png").write_bytes(b"no picture")
    told = []
    (chunk,) = chunks(open_source(f"folder:{copy}", "val"), 0, told.append)
    assert sorted(chunk.truth.tolist()) == [0, 0, 1, 1, 1, 2, 2, 2]
    assert len(told) == 1
    assert "cannot be decoded" in told[0]


@pytest.mark.parametrize("arch", ["pre", "post"])
def test_labels_are_read_without_the_picture(pre, post, arch, monkeypatch):
    codec = Codec({"pre": pre, "post": post}[arch])
    data = codec.compress(photo(128, 128))
    expected = codec.decompress(data)[1]
    monkeypatch.setattr(codec, "reconstruct", None)
    assert classify.read_label(codec, data) == expected


def test_heads_on_the_same_networks_are_found(source, pre, post):
    models = semantics.open_subjects(study.named([pre, post]), source.labels, print)
    m = semantics.Measured(models, np.zeros(0, int), {})
    assert semantics.trained_apart(m, models[1]) == ["pre"]
    assert semantics.trained_apart(m, models[0]) == []


@pytest.fixture(scope="module")
def thousand(source, pre, tmp_path_factory):
    """Folder of the results of a model with a pretrained head, on pictures as they are."""
    path = tmp_path_factory.mktemp("thousand")
    folder = head.save(path / "m", pre, head.load(pre, head.config_of(pre, "pre")), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_cost, "TRIES", 1)
        models, out = [("m", folder)], path / "out"
        assert semantic_study.run(source, "a set", models, out, jobs=1, limit=0, side=0) == 0
    return out


def test_pictures_are_measured_as_they_are(thousand, source, pre):
    (chunk,) = chunks(source, 0, print, side=0)
    assert {x.shape for x in chunk.x} > {(150, 140, 3)}
    rows = of(read(thousand / "semantics.csv"), who="head", control="no")
    bits = sum(8 * len(Codec(pre).compress(x)) for x in chunk.x)
    # The label of a thousand classes may take a byte or two more.
    assert float(rows[0]["bpp"]) == pytest.approx(bits / chunk.pixels, rel=0.01)
    assert "as they are" in rows[0]["set"]


def test_a_head_of_more_classes_is_counted_among_the_sets_too(thousand):
    rows = of(read(thousand / "semantics.csv"), who="head", control="no")
    assert [r["classes"] for r in rows] == ["3", "1000"]
    assert float(rows[0]["top1"]) >= float(rows[1]["top1"])


def test_shares_are_of_the_classifier_on_the_original(thousand):
    rows = read(thousand / "semantics.csv")
    whole = {r["classes"]: float(r["top1"]) for r in of(rows, sees=semantics.ORIGINAL)}
    for row in rows:
        if whole[row["classes"]]:
            assert float(row["share"]) == pytest.approx(
                float(row["top1"]) / whole[row["classes"]], abs=1e-4
            )
            assert float(row["share_low"]) <= float(row["share"]) <= float(row["share_high"])
        else:
            assert row["share"] == ""


def test_labels_are_counted_by_depth(thousand):
    rows = read(thousand / "calibration.csv")
    assert rows[0]["depth"] == "all"
    assert int(rows[0]["labels"]) == 9
    deep = [r for r in rows if r["depth"].startswith("depth")]
    assert sum(int(r["labels"]) for r in deep) == 9
