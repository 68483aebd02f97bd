"""Which weights a run ends with."""

import numpy as np
import pytest

from tests.models.tiny import tiny_config
from training.averages import use_better
from training.loop import Run
from training.run import build_model
from training.settings import TrainSettings
from training.strategies import make_strategy

pytestmark = pytest.mark.usefixtures("eagerly")


def start(folder, **settings):
    settings = TrainSettings(steps=9, batch=2, patch=32, **settings)
    strategy = make_strategy("cpu")
    config = tiny_config(normalisation="gdn")
    return Run(folder, build_model(config, settings, strategy, None), settings, strategy)


def damage(variables):
    for variable in variables:
        variable.assign(
            variable + np.linspace(-3, 3, variable.shape.num_elements()).reshape(variable.shape)
        )


def values(run):
    o = run.optimisers
    return [v.numpy() for v in (*o.variables_to_train, *o.statistics)]


def use(run, source):
    return use_better(run.model, run.optimisers, run.settings, source, None)


def test_bad_averages_are_left_alone(tmp_path, source):
    run = start(tmp_path, ema=0.9)
    for adam in run.optimisers.adams:
        damage(adam._model_variables_moving_average)
    before = values(run)
    assert not use(run, source)
    for a, b in zip(values(run), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("worse", ["damaged", "not a number"])
def test_averages_replace_worse_weights(tmp_path, source, worse):
    run = start(tmp_path, ema=0.9)
    expected = values(run)
    if worse == "damaged":
        damage(run.optimisers.variables_to_train)
    else:
        run.optimisers.variables_to_train[0].assign_add(
            np.full(run.optimisers.variables_to_train[0].shape, np.nan)
        )
    assert use(run, source)
    for a, b in zip(values(run), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_averages_the_weights_stay(tmp_path, source):
    run = start(tmp_path)
    before = values(run)
    assert not use(run, source)
    for a, b in zip(values(run), before, strict=True):
        np.testing.assert_array_equal(a, b)
