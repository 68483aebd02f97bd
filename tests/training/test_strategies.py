"""Strategies by name on a machine without a GPU."""

import pytest
import tensorflow as tf

from training.strategies import make_strategy

pytestmark = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU"
)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_one_processor_is_one_replica(name):
    strategy = make_strategy(name)
    assert strategy.num_replicas_in_sync == 1
    with strategy.scope():
        assert "CPU:0" in tf.Variable(0.0).device


@pytest.mark.parametrize("name", ["gpu", "mirrored"])
def test_missing_gpu_is_reported(name):
    with pytest.raises(ValueError, match=f"--strategy={name} needs a GPU.*--strategy=cpu"):
        make_strategy(name)
