"""The configuration: what it takes, refuses and stores."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsic.config import ModelConfig
from models.deepsic import DeepSIC

strides = st.tuples(*[st.sampled_from([1, 2, 4])] * 4)
configs = st.builds(
    ModelConfig,
    arch=st.sampled_from(["pre", "post"]),
    filters=st.integers(1, 200),
    latents=st.integers(1, 200),
    kernels=st.tuples(*[st.integers(4, 9)] * 4),
    strides=strides,
    bits=st.integers(1, 8),
    normalisation=st.sampled_from(["batch", "gdn"]),
    skip_gain=st.floats(-4, 4),
    classes=st.integers(1, 65536),
    head_width=st.integers(1, 200),
    head_depth=st.integers(0, 4),
)


@given(configs)
def test_json_gives_the_same_configuration_back(config):
    assert ModelConfig.from_dict(json.loads(config.to_json())) == config


@given(strides)
def test_stride_is_the_product(s):
    assert ModelConfig(kernels=(7, 7, 7, 7), strides=s).stride == s[0] * s[1] * s[2] * s[3]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arch", "both"),
        ("arch", None),
        ("normalisation", "layer"),
        ("kernels", (7, 5, 3)),
        ("kernels", (7, 5, 3, 3, 3)),
        ("kernels", (3, 5, 3, 3)),
        ("kernels", (17, 5, 3, 3)),
        ("strides", (4, 2, 1)),
        ("strides", (4, 3, 1, 1)),
        ("strides", (4, 2, 0, 1)),
        ("strides", (8, 1, 1, 1)),
        ("strides", (4, 2, 4, 1)),
        ("bits", 0),
        ("bits", 9),
        ("filters", 0),
        ("filters", 65537),
        ("latents", -1),
        ("head_width", 0),
        ("head_depth", -1),
        ("head_depth", 17),
        ("classes", 0),
        ("classes", 10**9),
    ],
)
def test_bad_values_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name.rstrip("s")):
        ModelConfig(**{name: value})


@pytest.mark.parametrize(
    "changes", [{"filters": 2000, "latents": 2000}, {"classes": 65536, "head_width": 2000}]
)
def test_models_that_no_machine_should_be_asked_for_are_refused(changes):
    with pytest.raises(ValueError, match="parameters, more than"):
        ModelConfig(**changes)


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("normalisation", ["batch", "gdn"])
def test_parameters_are_about_what_the_networks_have(normalisation, depth):
    config = ModelConfig(
        filters=40, latents=24, head_width=20, head_depth=depth, normalisation=normalisation
    )
    model = DeepSIC(config)
    model.create_variables()
    counted = sum(v.shape.num_elements() for v in model.variables)
    assert config.parameters == pytest.approx(counted, rel=0.05)


def test_unknown_settings_are_named():
    with pytest.raises(ValueError, match="colour, depth"):
        ModelConfig.from_dict({"filters": 8, "depth": 3, "colour": 1})


def test_lists_become_tuples():
    config = ModelConfig.from_dict({"kernels": [7, 5, 3, 3], "strides": [4, 2, 2, 1]})
    assert config == ModelConfig(strides=(4, 2, 2, 1))
    assert hash(config) == hash(ModelConfig(strides=(4, 2, 2, 1)))


def test_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().bits = 8


def test_defaults_are_the_papers():
    config = ModelConfig()
    assert (config.bits, config.filters, config.kernels) == (6, 128, (7, 5, 3, 3))
    assert config.stride == 8
