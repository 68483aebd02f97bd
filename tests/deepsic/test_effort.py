"""Encoders that spend more than rounding."""

import numpy as np
import pytest

from deepsic import container, folders
from deepsic import effort as efforts
from deepsic.codec import Codec
from deepsic.errors import ModelError
from deepsic.targets import DEFAULT_EFFORT
from tools.robustness.small_models import make_model, photo


@pytest.fixture(scope="module", params=[0, 3])
def codec(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("effort") / "m"
    found = Codec(make_model(path, "pre", gains=request.param))
    return found.at(found.config.steps // 2)


def cost(codec, analysis, data):
    header, payload = container.unpack(data)
    return efforts.cost(codec, analysis, codec.decode_symbols(header, payload), payload)


@pytest.mark.parametrize("effort", efforts.EFFORTS[1:])
def test_more_effort_costs_less(codec, effort):
    analysis = codec.analyse(photo(120, 152))
    plain, refined = (cost(codec, analysis, codec.encode(analysis, e)) for e in (0, effort))
    assert refined < plain


def test_files_are_never_worse_than_plain_ones(codec, monkeypatch):
    analysis = codec.analyse(photo(64, 64))
    plain = codec.encode(analysis, 0)
    monkeypatch.setattr(efforts, "refined_symbols", lambda *_: codec.symbols(analysis.f) // 2)
    assert codec.encode(analysis, 1) == plain


def test_the_gradient_is_that_of_the_squared_error(codec):
    x = photo(64, 64)
    q = codec.symbols(codec.features(x)).astype(np.float32)
    half = codec.quantiser
    scale = half.dequantise(q * 0 + 1)[0, 0] - half.dequantise(q * 0)[0, 0]
    found = efforts._gradient(codec, x.astype(np.float32), scale, q)

    def error(shift):
        y = half.dequantise(q + shift)
        x_hat = np.clip(codec.runtime.reconstruction(y[None])[0], 0, 255)
        return float(np.square(x_hat.astype(float) - x).sum())

    direction = np.random.default_rng(1).normal(size=q.shape).astype(np.float32)
    step = 0.02
    numeric = (error(step * direction) - error(-step * direction)) / (2 * step)
    assert 2 * float((found * direction).sum()) == pytest.approx(numeric, rel=0.05)


def test_tiles_refine_as_the_whole_does(codec, monkeypatch):
    analysis = codec.analyse(photo(160, 240))
    whole = efforts.refined_symbols(codec, analysis, 1)
    assert (whole != codec.symbols(analysis.f)).any()
    monkeypatch.setattr(efforts, "TILE_PIXELS", 64)
    assert (efforts.refined_symbols(codec, analysis, 1) != whole).mean() < 1e-3


def test_the_default_is_what_the_model_knows(codec, pre):
    x = photo(64, 64)
    assert codec.compress(x) == codec.compress(x, effort=DEFAULT_EFFORT)
    plain = Codec(folders.open_folder(pre.path))
    plain.__dict__["curvature"] = None
    assert plain.compress(x) == plain.compress(x, effort=0)
    with pytest.raises(ModelError, match="effort 0 only"):
        plain.compress(x, effort=1)


@pytest.mark.parametrize("effort", [-1, 7, 0.5])
def test_other_efforts_are_refused(codec, effort):
    with pytest.raises(ValueError, match="effort is one of 0, 1"):
        codec.compress(photo(8, 8), effort=effort)
