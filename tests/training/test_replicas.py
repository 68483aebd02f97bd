"""Replicas and hosts together compute what one process does: losses and weights, up to rounding."""

import numpy as np
import pytest

from tests.training.processes import environments, start
from tests.training.trainer import FORMS, train
from tools.robustness.small_pictures import write_class_folders
from training.strategies import make_strategy

STEPS = 20


def trained(process, folder):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return dict(np.load(folder / "found.npz"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_class_folders(tmp_path_factory.mktemp("hosts") / "pictures")


@pytest.fixture(scope="module")
def alone(tmp_path_factory, pictures):
    """What one process computes."""
    return train(make_strategy("cpu"), pictures, tmp_path_factory.mktemp("alone"), STEPS)


def assert_equal(found, alone):
    for form in FORMS:
        for what, tolerance in (("losses", 1e-4), ("weights", 1e-4), ("averages", 1e-4)):
            name = f"{form} {what}"
            np.testing.assert_allclose(
                found[name], alone[name], rtol=tolerance, atol=tolerance, err_msg=name
            )


def test_two_devices_compute_what_one_does(tmp_path, pictures, alone):
    process = start(["-m", "tests.training.trainer", "mirrored", pictures, tmp_path, STEPS])
    assert_equal(trained(process, tmp_path), alone)


def test_two_hosts_compute_what_one_does_and_the_first_alone_writes(tmp_path, pictures, alone):
    folders = [tmp_path / name for name in ("first", "second")]
    arguments = ["-m", "tests.training.trainer", "multi_worker", pictures]
    for folder in folders:
        folder.mkdir()
    processes = [
        start([*arguments, folder, STEPS], environment)
        for folder, environment in zip(folders, environments(2), strict=True)
    ]
    for process, folder in zip(processes, folders, strict=True):
        assert_equal(trained(process, folder), alone)
    assert list(folders[0].glob("*/train/ckpt-*"))
    assert [path.name for path in folders[1].rglob("*") if path.is_file()] == ["found.npz"]
