"""Files of a rate, size or quality that was asked for."""

import json
import shutil

import numpy as np
import pytest

import deepsic
from deepsic import container, folders, store
from deepsic import ladder as ladders
from deepsic.distortion import psnr
from deepsic.errors import ModelError, OutOfReach
from deepsic.ladder import Ladder
from deepsic.targets import Target
from tools.robustness.small_models import make_model, photo

SIZE = (120, 160)


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    return Ladder([make_model(tmp_path_factory.mktemp("ladder") / "m", "pre", gains=3)])


@pytest.fixture(scope="module")
def x():
    return photo(*SIZE)


@pytest.fixture(scope="module")
def sizes(ladder, x):
    codec = ladder.codec(0)
    analysis = codec.analyse(x)
    return [len(codec.at(step).encode(analysis, 0)) for step in range(65)]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.77, 1.0])
@pytest.mark.parametrize("kind", ["bpp", "max_bytes"])
def test_sizes_are_not_exceeded_and_nearly_used(ladder, x, sizes, kind, share):
    most = round(sizes[0] ** (1 - share) * sizes[-1] ** share)
    value = 8 * most / x[..., 0].size if kind == "bpp" else most
    reached = ladder.compress(x, Target(kind, value), effort=0)
    fitting = [size for size in sizes if size <= most]
    assert reached.short is None
    assert len(reached.data) <= most
    assert len(reached.data) >= ladders.NEAR * max(fitting)
    assert len(reached.data) == sizes[reached.codec.step]


@pytest.mark.parametrize("effort", [1, 2, 3])
def test_refined_files_are_not_larger_than_asked(ladder, x, sizes, effort):
    most = sizes[20]
    reached = ladder.compress(x, Target("max_bytes", most), effort=effort)
    assert ladders.NEAR * most < len(reached.data) <= most
    better = ladder.compress(x, Target("psnr", 20), effort=effort)
    assert psnr(x, better.codec.decompress(better.data)[0]) >= 20


def test_a_size_that_is_out_of_reach_is_told(ladder, x, sizes):
    with pytest.raises(OutOfReach, match=f"smallest file of this picture has {sizes[0]} bytes"):
        ladder.compress(x, Target("max_bytes", sizes[0] - 1), effort=0)
    reached = ladder.compress(x, Target("max_bytes", 2 * sizes[-1]), effort=0)
    assert len(reached.data) == sizes[-1]
    assert f"{sizes[-1]} bytes" in reached.short


def test_psnr_is_reached_by_the_smallest_file(ladder, x):
    codec = ladder.codec(0)

    def quality(step):
        return psnr(x, codec.decompress(codec.at(step).compress(x, effort=0))[0])

    # This small model is at its best from step 20 on.
    asked = (quality(0) + quality(20)) / 2
    reached = ladder.compress(x, Target("psnr", asked), effort=0)
    step = reached.codec.step
    assert 0 < step < 20
    assert asked <= quality(step) < asked + 0.5
    over = ladder.compress(x, Target("psnr", 90))
    assert over.codec.step == 64
    assert "no model reaches 90 dB" in over.short


def test_quality_is_a_scale_over_all_steps(ladder, x):
    steps = [ladder.compress(x, Target("quality", q)).codec.step for q in (0, 10, 50, 100)]
    assert steps[0] == 0
    assert steps[-1] == 64
    assert steps == sorted(steps)
    assert steps[2] == 32


def with_rates(folder, path, **rates):
    """A copy of a model whose manifest says so of its rates."""
    shutil.copytree(folder.path, path)
    manifest = json.loads((path / folders.CARD).read_text())
    manifest["rates"] |= rates
    (path / folders.CARD).write_text(json.dumps(manifest))
    return store.find(path)


def test_models_follow_one_another_with_the_steps_that_each_does_best(ladder, tmp_path):
    model = ladder.codec(0).folder
    fine = with_rates(model, tmp_path / "fine", lambda1=[0.1, 0.3, 0.9], steps=[-10, 70])
    coarse = with_rates(model, tmp_path / "coarse", steps=[5, 40])
    rungs = Ladder([fine, coarse]).rungs
    assert [rung.step for rung in rungs] == [*range(5, 41), *range(-10, 71)]
    assert [rung.folder.path.name for rung in rungs[34:38]] == ["coarse"] * 2 + ["fine"] * 2
    heights = np.array([rung.height for rung in rungs])
    assert heights[0] == 0
    assert (np.diff(heights) > 0).all()


@pytest.mark.parametrize("steps", [[40, 5], [-32, 5], [5, 300]])
def test_steps_that_the_model_has_not_are_no_best_ones(ladder, tmp_path, steps):
    with pytest.raises(ModelError, match="steps that the model has not"):
        Ladder([with_rates(ladder.codec(0).folder, tmp_path / "m", steps=steps)])


def test_a_flat_picture_has_a_file_too(ladder):
    x = np.full((64, 64, 3), 90, np.uint8)
    smallest = len(ladder.codec(0).compress(x))
    assert len(ladder.compress(x, Target("bpp", 1.0)).data) >= smallest


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (("bpp", -1), "positive number of bits per pixel"),
        (("max_bytes", 0), "positive number of bytes"),
        (("psnr", float("nan")), "positive number of decibels"),
        (("quality", 101), "0 to 100"),
    ],
)
def test_numbers_that_nobody_can_mean_are_refused(ladder, x, target, words):
    with pytest.raises(ValueError, match=words):
        ladder.compress(x, Target(*target))


def test_two_targets_exclude_each_other(x):
    with pytest.raises(ValueError, match="bpp and psnr exclude each other"):
        ladders.compress(x, bpp=0.5, psnr=30)


@pytest.mark.parametrize("arch", ["pre", "post"])
def test_shipped_models_meet_a_rate(x, arch):
    data = ladders.compress(x, bpp=0.7, arch=arch)
    assert 8 * len(data) / x[..., 0].size <= 0.7
    assert container.unpack(bytes(data))[0].arch == arch
    assert deepsic.open(data).size == SIZE[::-1]


def test_every_shipped_model_tells_its_lambda1():
    found = [folder.get_lambda1(folder.step) for folder in store.shipped() if folder.arch == "pre"]
    assert len(found) == 5
    assert found == sorted(set(found))
