"""Rate and distortion from pictures to tables: real files, nothing measured twice."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from deepsic import folders
from deepsic.codec import Codec
from evaluation import measure, rate_distortion, study
from evaluation.cache import Cache
from evaluation.measure import Subject
from models import weights
from tests.evaluation.conftest import REFERENCES, SIZES
from tools.robustness.small_models import photo

POINTS = 2 + sum(len(r.values) for r in REFERENCES)


def read(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_rows_are_of_real_files(results, pre):
    rows = read(results / "rd.csv")
    assert len(rows) == 2 * POINTS
    row = next(r for r in rows if (r["image"], r["codec"]) == ("a.png", "pre"))
    codec = Codec(pre)
    data = codec.compress(photo(*SIZES["a"]))
    x_hat, label = codec.decompress(data)
    assert int(row["bytes"]) == len(data)
    assert float(row["bpp"]) == pytest.approx(8 * len(data) / (170 * 180), rel=1e-4)
    error = np.mean((photo(*SIZES["a"]).astype(float) - x_hat) ** 2)
    assert float(row["psnr_rgb"]) == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
    assert row["label"] == label.name
    assert float(row["probability"]) == pytest.approx(label.probability)
    assert float(row["encode_s"]) > 0
    assert float(row["decode_s"]) > 0


def test_more_effort_is_another_point(pre, pictures, tmp_path):
    plain, refined = (Subject.of_model(pre, "pre", effort=effort) for effort in (0, 1))
    assert refined.settings == (f"{pre.identity} effort=1",)
    found = rate_distortion.open_pictures(pictures[:1], pytest.fail)
    rows = rate_distortion.measure(found, [plain, refined], Cache(tmp_path), 1, pytest.fail)
    data = Codec(pre).compress(photo(*SIZES["a"]), effort=1)
    assert [row["setting"] for row in rows] == [*plain.settings, *refined.settings]
    assert rows[1]["bytes"] == len(data) != rows[0]["bytes"]


def test_rows_come_by_picture_codec_and_rate(results):
    rows = read(results / "rd.csv")
    assert [r["image"] for r in rows] == ["a.png"] * POINTS + ["b.png"] * POINTS
    names = list(dict.fromkeys(r["curve"] for r in rows))
    assert names == ["DeepSIC pre", "DeepSIC post", "JPEG 4:2:0", "JPEG 2000"]


def test_small_pictures_have_empty_cells(results):
    rows = read(results / "rd.csv")
    assert {r["ms_ssim_rgb"] == "" for r in rows if r["image"] == "b.png"} == {True}
    assert {r["ms_ssim_rgb"] == "" for r in rows if r["image"] == "a.png"} == {False}


def test_means_are_of_pictures(results):
    rows, means = read(results / "rd.csv"), read(results / "summary.csv")
    assert len(means) == POINTS
    for mean in means:
        mine = [r for r in rows if (r["codec"], r["setting"]) == (mean["codec"], mean["setting"])]
        assert mean["images"] == "2"
        expected = np.mean([float(r["psnr_luma"]) for r in mine])
        assert float(mean["psnr_luma"]) == pytest.approx(expected, rel=1e-5)
        assert float(mean["ms_ssim_luma"]) == pytest.approx(float(mine[0]["ms_ssim_luma"]))


def test_deltas_and_figures_are_written(results):
    lines = read(results / "bd.csv")
    assert {r["of"] for r in lines} == {"per picture", "mean curves"}
    assert all("one usable point" in r["note"] for r in lines)
    assert any(r["reference"] == "VTM, published" for r in lines)
    for name in ("psnr_rgb", "psnr_luma_published", "ms_ssim_luma_each"):
        assert (results / f"{name}.png").read_bytes()[1:4] == b"PNG"
        assert "<svg" in (results / f"{name}.svg").read_text()


@pytest.fixture
def copy(results, tmp_path):
    """Results that a test may go on with."""
    return shutil.copytree(results, tmp_path / "results")


def counted(monkeypatch):
    """The points that are measured from now on."""
    done = []
    real = rate_distortion.work

    def work(task):
        done.extend((task.picture.name, task.subject.name, s) for s in task.settings)
        return real(task)

    monkeypatch.setattr(rate_distortion, "work", work)
    return done


@pytest.fixture
def without_figures(monkeypatch):
    """They take longer than all that is tested here."""
    monkeypatch.setattr(study.plots, "draw_all", lambda *_: [])


def run(paths, models, out, **options):
    options = {"jobs": 1, "published": True, **options}
    return study.run(paths, study.named(models), REFERENCES, out, **options)


def test_a_rerun_measures_nothing_and_says_the_same(copy, pre, post, pictures, monkeypatch):
    before = {p.name: p.read_bytes() for p in copy.iterdir() if p.is_file()}
    done = counted(monkeypatch)
    assert run(pictures, [pre, post], copy) == 0
    assert done == []
    assert {p.name: p.read_bytes() for p in copy.iterdir() if p.is_file()} == before


@pytest.mark.usefixtures("without_figures")
def test_only_what_is_new_is_measured(copy, pre, post, pictures, tmp_path, monkeypatch):
    Image.fromarray(photo(40, 50)).save(tmp_path / "c.png")
    done = counted(monkeypatch)
    assert run([*pictures, str(tmp_path / "c.png")], [pre, post], copy) == 0
    assert {name.rsplit("/", 1)[-1] for name, _, _ in done} == {"c.png"}
    assert len(done) == POINTS


@pytest.mark.usefixtures("without_figures")
def test_the_same_pixels_in_another_file_are_not_measured_again(
    copy, pre, post, pictures, tmp_path, monkeypatch
):
    for path in pictures:
        Image.open(path).save(tmp_path / f"{path.rsplit('/', 1)[-1]}.bmp")
    done = counted(monkeypatch)
    assert run(sorted(map(str, tmp_path.glob("*.bmp"))), [pre, post], copy) == 0
    assert done == []


@pytest.mark.usefixtures("without_figures")
def test_another_model_of_the_same_name_is_measured(
    copy, pre, post, pictures, tmp_path, monkeypatch
):
    other = shutil.copytree(pre.path, tmp_path / "other" / "pre")
    folder = folders.open_folder(other)
    model = weights.load_networks(folder)
    model.semantics.fc2.bias.assign_add([3.0, 0.0, 0.0])
    saved = weights.save(other, model, folder.read_tables(), folder.labels, {})
    measure.model_key.cache_clear()
    done = counted(monkeypatch)
    assert run(pictures, [saved, post], copy) == 0
    assert [(name, codec) for name, codec, _ in done] == [("a.png", "pre"), ("b.png", "pre")]


@pytest.mark.usefixtures("without_figures")
def test_lost_and_damaged_entries_are_measured_again(copy, pre, post, pictures, monkeypatch):
    picture = rate_distortion.open_pictures(pictures, print)[0]
    subject = Subject.of_model(pre, "pre")
    key = measure.key_of(subject, subject.settings[0], picture)
    Cache(copy / "cache").path(key).write_text('{"key": ')
    done = counted(monkeypatch)
    assert run(pictures, [pre, post], copy) == 0
    assert done == [("a.png", "pre", subject.settings[0])]


@pytest.mark.usefixtures("without_figures")
def test_an_interrupted_run_is_finished(pre, post, pictures, tmp_path, monkeypatch):
    real = rate_distortion.work
    done = counted(monkeypatch)

    def interrupt(task):
        if task.subject.name == "JPEG 2000":
            raise KeyboardInterrupt
        return real(task)

    with monkeypatch.context() as patch:
        patch.setattr(rate_distortion, "work", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(pictures, [pre, post], tmp_path)
    assert not (tmp_path / "rd.csv").exists()
    assert run(pictures, [pre, post], tmp_path) == 0
    assert ("a.png", "pre") not in {d[:2] for d in done}
    assert len(read(tmp_path / "rd.csv")) == 2 * POINTS


@pytest.mark.usefixtures("without_figures")
def test_bad_pictures_are_skipped_and_told(copy, pre, post, pictures, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert run([*pictures, str(tmp_path / "bad.png")], [pre, post], copy) == 1
    assert "bad.png" in capsys.readouterr().err
    assert len(read(copy / "rd.csv")) == 2 * POINTS


def test_codecs_that_refuse_a_picture_are_told(pre, pictures, tmp_path, monkeypatch, capsys):
    def refuse(self, x, value):
        raise OSError("encoder error -2")

    monkeypatch.setattr(type(REFERENCES[0]), "encode", refuse)
    subjects = [Subject.of_reference(REFERENCES[0])]
    found = rate_distortion.open_pictures(pictures[:1], print)
    told = []
    assert rate_distortion.measure(found, subjects, Cache(tmp_path), 1, told.append) == []
    assert len(told) == len(REFERENCES[0].values)
    assert "a.png" in told[0]
    assert "encoder error -2" in told[0]


@pytest.mark.usefixtures("without_figures")
def test_several_processes_measure_the_same(results, pre, pictures, tmp_path):
    run(pictures[1:], [pre], tmp_path, jobs=2)
    columns = ("codec", "setting", "bytes", "psnr_rgb", "label")
    alone = [r for r in read(results / "rd.csv") if r["image"] == "b.png" and r["codec"] != "post"]
    together = read(tmp_path / "rd.csv")
    assert [[r[c] for c in columns] for r in together] == [[r[c] for c in columns] for r in alone]


def test_models_of_one_name_are_told_apart(pre, tmp_path):
    other = folders.open_folder(shutil.copytree(pre.path, tmp_path / "pre"))
    assert [name for name, _ in study.named([pre, other])] == [str(pre.path), str(other.path)]
    assert study.named([pre])[0][0] == "pre"


def test_heads_that_share_a_codec_are_measured_once(pre, post):
    from dataclasses import replace

    other = replace(pre, arch="post")
    left, remark = study.merge_heads([("b", other), ("a", pre)])
    assert left == [("a", pre)]
    assert remark.startswith("b: the same codec")
    assert study.curve_of(pre, left) == "DeepSIC"
    both = [("a", pre), ("b", post)]
    assert study.merge_heads(both) == (both, "")
    assert study.curve_of(post, both) == "DeepSIC post"
