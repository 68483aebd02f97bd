"""A source of tiny pictures and a small model to train on it."""

import pytest
import tensorflow as tf

from data.sources import open_source
from tools.robustness.small_pictures import write_class_folders
from training import step


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """Ten labelled pictures of two classes."""
    root = write_class_folders(tmp_path_factory.mktemp("training") / "pictures")
    return open_source(f"folder:{root}", "train")


@pytest.fixture
def eagerly():
    """Runs steps without compiling them, which takes longer than a few tiny ones."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def spoiled(monkeypatch):
    """A factor on every loss, NaN until something else is assigned to it."""
    factor = tf.Variable(float("nan"))
    joint_loss = step.joint_loss

    def times_factor(*args):
        losses = joint_loss(*args)
        return losses._replace(total=losses.total * factor)

    monkeypatch.setattr(step, "joint_loss", times_factor)
    return factor
