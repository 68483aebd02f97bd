"""Where pictures come from: folders, TFDS with the real ImageNet builder, and what is missing."""

import io
import json
import logging
import tarfile

import numpy as np
import pytest

from data.sources import MissingDataset, open_extra, open_source
from tools.robustness.small_pictures import CLASSES, TRAIN, VAL, encoded, photograph

SYNSETS = ("n01440764", "n02102040", "n03888257")
# What TFDS knows of the first three validation pictures.
VALIDATION = ("n01751748", "n09193705", "n02105855")


def jpeg(seed):
    return encoded(photograph(seed, 20, 24), "JPEG")


def tar(members):
    """The bytes of a tar of (name, bytes)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def lay_imagenet(root, parts=("train", "val")):
    """Lays tiny tars of ImageNet's shape where TFDS looks for the real ones."""
    manual = root / "downloads" / "manual"
    manual.mkdir(parents=True)
    synsets = [
        (f"{s}.tar", tar([(f"{s}_{j}.JPEG", jpeg(10 * i + j)) for j in range(2)]))
        for i, s in enumerate(SYNSETS)
    ]
    val = [(f"ILSVRC2012_val_{j:08d}.JPEG", jpeg(100 + j)) for j in (1, 2, 3)]
    for part, members in (("train", synsets), ("val", val)):
        if part in parts:
            (manual / f"ILSVRC2012_img_{part}.tar").write_bytes(tar(members))
    return manual


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    lay_imagenet(root)
    return str(root)


def read(source):
    return [(e["image"].numpy(), int(e["label"])) for e in source.examples]


def test_imagenet_is_unpacked_from_its_tars(imagenet):
    train = open_source("imagenet2012", "train", imagenet)
    assert train.count == 6
    assert len(train.labels) == 1000
    expected = {jpeg(10 * i + j): s for i, s in enumerate(SYNSETS) for j in range(2)}
    assert {data: train.labels[label] for data, label in read(train)} == expected


def test_imagenet_validation_has_its_labels(imagenet):
    val = open_source("imagenet2012", "val", imagenet)
    assert val.count == 3
    expected = {jpeg(101 + i): s for i, s in enumerate(VALIDATION)}
    assert {data: val.labels[label] for data, label in read(val)} == expected


def test_imagenet_opens_again_without_its_tars(tmp_path):
    manual = lay_imagenet(tmp_path)
    first = read(open_source("imagenet2012", "train", str(tmp_path)))
    for path in manual.iterdir():
        path.unlink()
    assert read(open_source("imagenet2012", "train", str(tmp_path))) == first


def assert_tells_how_to_get_imagenet(error, root):
    text = str(error.value)
    for part in (
        "ILSVRC2012_img_train.tar",
        "ILSVRC2012_img_val.tar",
        str(root / "downloads" / "manual"),
        "https://image-net.org",
        "--dataset=folder:PATH",
    ):
        assert part in text


def test_missing_imagenet_says_what_to_lay_where(tmp_path):
    with pytest.raises(MissingDataset) as error:
        open_source("imagenet2012", "train", str(tmp_path))
    assert_tells_how_to_get_imagenet(error, tmp_path)


def test_imagenet_without_its_validation_tar_says_what_to_lay_where(tmp_path):
    lay_imagenet(tmp_path, parts=["train"])
    with pytest.raises(MissingDataset) as error:
        open_source("imagenet2012", "train", str(tmp_path))
    assert_tells_how_to_get_imagenet(error, tmp_path)


def test_imagenet_from_a_truncated_tar_is_reported(tmp_path):
    path = lay_imagenet(tmp_path) / "ILSVRC2012_img_train.tar"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(MissingDataset, match=r"ILSVRC2012_img_train\.tar"):
        open_source("imagenet2012", "train", str(tmp_path))


def test_unknown_name_is_reported(tmp_path):
    with pytest.raises(MissingDataset, match="no dataset called imagenot"):
        open_source("imagenot", "train", str(tmp_path))


def test_unknown_variant_of_a_set_is_reported(tmp_path):
    with pytest.raises(MissingDataset, match="320px-v2"):
        open_source("imagenette/321px", "train", str(tmp_path))


def test_failed_download_is_reported(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def fail(self, **options):
        raise ConnectionError("no route to host\nsecond line")

    builder = tfds.builder("imagenette/320px-v2", data_dir=str(tmp_path))
    monkeypatch.setattr(type(builder), "download_and_prepare", fail)
    with pytest.raises(MissingDataset, match=r"imagenette/320px-v2.*no route to host") as error:
        open_source("imagenette/320px-v2", "train", str(tmp_path))
    assert "second line" not in str(error.value)
    assert "--dataset=folder:PATH" in str(error.value)


def test_folder_gives_encoded_pictures_and_sorted_classes(picture_folder):
    train = open_source(f"folder:{picture_folder}", "train")
    assert train.labels == CLASSES
    assert train.count == TRAIN * len(CLASSES)
    expected = {
        path.read_bytes(): CLASSES.index(path.parent.name)
        for path in (picture_folder / "train").glob("*/*.jpg")
    }
    assert dict(read(train)) == expected


def test_folder_may_say_what_its_classes_are_kinds_of(picture_folder, tmp_path):
    for part in ("train", "val"):
        (tmp_path / part).symlink_to(picture_folder / part)
    path = tmp_path / "labels.json"
    assert open_source(f"folder:{tmp_path}", "train").parents is None
    parents = {c: "things" for c in CLASSES}
    path.write_text(json.dumps({"parents": parents}))
    source = open_source(f"folder:{tmp_path}", "val")
    assert (source.parents, source.names) == (parents, None)
    assert source.labels == tuple(sorted(CLASSES))


@pytest.mark.parametrize(
    "text", ["[", "[]", '{"parents": 3}', '{"parents": {"a": 1}}', '{"x": {}}']
)
def test_damaged_labels_of_a_folder_are_named(tmp_path, text):
    (tmp_path / "train" / "one").mkdir(parents=True)
    (tmp_path / "train" / "one" / "a.jpg").write_bytes(jpeg(1))
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(MissingDataset, match=r"labels\.json"):
        open_source(f"folder:{tmp_path}", "train")


def test_folder_keeps_its_order(picture_folder):
    orders = [read(open_source(f"folder:{picture_folder}", "val")) for _ in range(2)]
    assert orders[0] == orders[1]
    assert len(orders[0]) == VAL * len(CLASSES)


@pytest.mark.parametrize("name", ["val", "validation", "test"])
def test_val_is_found_under_its_other_names(tmp_path, name):
    (tmp_path / name / "one").mkdir(parents=True)
    (tmp_path / name / "one" / "a.jpg").write_bytes(jpeg(1))
    assert open_source(f"folder:{tmp_path}", "val").count == 1


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(MissingDataset, match=f"no folder {tmp_path}/none"):
        open_source(f"folder:{tmp_path}/none", "train")


def test_missing_split_is_named_with_those_that_exist(tmp_path):
    (tmp_path / "val" / "one").mkdir(parents=True)
    (tmp_path / "val" / "one" / "a.jpg").write_bytes(jpeg(1))
    with pytest.raises(MissingDataset, match=r"no split train; it has: val\."):
        open_source(f"folder:{tmp_path}", "train")


def test_folder_without_classes_has_no_splits(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    with pytest.raises(MissingDataset, match=r"no split train; it has: none\."):
        open_source(f"folder:{tmp_path}", "train")


def test_orders_of_epochs_depend_on_seed_and_epoch(picture_folder):
    train = open_source(f"folder:{picture_folder}", "train")
    fixed = [data for data, _ in read(train)]

    def order(seed, epoch):
        return [fixed.index(e["image"].numpy()) for e in train.epoch(seed, epoch)]

    assert order(1, 0) == order(1, 0)
    orders = [order(1, 0), order(1, 1), order(2, 0)]
    for o in orders:
        assert sorted(o) == list(range(train.count))
    assert len(set(map(tuple, orders))) == 3


def test_extra_pictures_are_unlabelled_files_in_order(picture_folder):
    extra = open_extra(f"{picture_folder}/**/*.jpg")
    paths = sorted(picture_folder.rglob("*.jpg"), key=str)
    assert extra.count == len(paths) == (TRAIN + VAL) * len(CLASSES)
    found = read(extra)
    assert [data for data, _ in found] == [p.read_bytes() for p in paths]
    np.testing.assert_array_equal([label for _, label in found], -1)


def test_extra_pattern_passes_folders_over(picture_folder):
    extra = open_extra(f"{picture_folder}/train/**")
    assert extra.count == TRAIN * len(CLASSES)


def test_pattern_without_files_is_reported(tmp_path):
    with pytest.raises(MissingDataset, match=f"--extra_images={tmp_path}/"):
        open_extra(f"{tmp_path}/*.jpg")


def test_extra_files_that_cannot_be_read_are_left_out_and_named(tmp_path):
    whole = jpeg(1)
    contents = {
        "a.jpg": whole,
        "b.png": encoded(photograph(2)),
        "c.jpg": whole + bytes(5000),  # as phones put a film behind a photograph
        "cut.jpg": whole[: len(whole) // 2],
        "cut.png": encoded(photograph(2))[:-20],
        "d.txt": b"no picture",
        "empty.jpg": b"",
        "e.webp": encoded(photograph(3), "WEBP"),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    said = []
    extra = open_extra(f"{tmp_path}/*", said.append)
    assert [data for data, _ in read(extra)] == [contents[n] for n in ("a.jpg", "b.png", "c.jpg")]
    (text,) = said
    assert "cut.jpg" in text
    assert text.endswith("d.txt and 2 more.")
    with pytest.raises(MissingDataset, match="JPEG, PNG, GIF and BMP"):
        open_extra(f"{tmp_path}/*.txt")
