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
    return found.at(found.config.trained_steps[-1] // 2)


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
    for bits, error in ((0.0, 0.0), (-1e5, 1e9), (1e5, -1e9), (-10.0, 0.0)):
        poor = efforts.Promise(codec.symbols(analysis.f) // 2, bits, error)
        monkeypatch.setattr(efforts, "refined_symbols", lambda *_, poor=poor: poor)
        assert codec.encode(analysis, 1) == plain


def unlike_photographs():
    """Pictures of which the decoder has learnt nothing."""
    rng = np.random.default_rng(3)
    ramp = np.linspace(0, 255, 96)[:, None, None] * np.ones((96, 120, 3))
    letters = np.kron(rng.integers(0, 2, (24, 30, 1)), np.full((4, 4, 3), 255))
    pictures = [
        rng.integers(0, 256, (96, 120, 3)),
        ramp,
        letters,
        np.full((96, 120, 3), 255),
        photo(96, 120) // 16,
        photo(96, 120)[..., :1] * np.ones((1, 1, 3)),
        photo(5, 3),
    ]
    return [picture.astype(np.uint8) for picture in pictures]


@pytest.mark.parametrize("effort", efforts.EFFORTS[1:])
def test_no_kind_of_picture_gets_a_worse_file(codec, effort):
    for x in unlike_photographs():
        analysis = codec.analyse(x)
        plain, refined = (cost(codec, analysis, codec.encode(analysis, e)) for e in (0, effort))
        assert refined <= plain


def test_what_one_step_surely_gains_is_not_compared(codec, monkeypatch):
    analysis = codec.analyse(photo(120, 152))
    q, size = codec.symbols(analysis.f), len(codec.encode(analysis, 0))
    monkeypatch.setattr(efforts, "refined_symbols", lambda *_: efforts.Promise(q, -size, 0.0))
    monkeypatch.setattr(efforts, "cost", lambda *_: pytest.fail("they are compared"))
    codec.encode(analysis, 1)
    with pytest.raises(pytest.fail.Exception):
        codec.encode(analysis, 2)


def test_refined_files_are_always_the_same(codec):
    analysis = codec.analyse(photo(64, 72))
    for effort in efforts.EFFORTS:
        assert codec.encode(analysis, effort) == codec.encode(analysis, effort)


def test_a_watcher_is_told_of_every_gradient(codec, monkeypatch):
    analysis, told = codec.analyse(photo(64, 136)), []
    monkeypatch.setattr(efforts, "TILE_PIXELS", 64)
    token = efforts.watcher.set(lambda *counts: told.append(counts))
    codec.encode(analysis, 3)
    efforts.watcher.reset(token)
    assert told == [(n, told[0][1]) for n in range(1, told[0][1] + 1)]


def test_the_gradient_is_that_of_the_squared_error(codec):
    x = photo(64, 64)
    q = codec.symbols(codec.features(x)).astype(np.float32)
    half = codec.quantiser
    scale = half.dequantise(q * 0 + 1)[0, 0] - half.dequantise(q * 0)[0, 0]
    found = efforts._gradient(codec, x.astype(np.float32), scale, lambda: None, q)

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
    whole = efforts.refined_symbols(codec, analysis, 1).q
    assert (whole != codec.symbols(analysis.f)).any()
    monkeypatch.setattr(efforts, "TILE_PIXELS", 64)
    assert (efforts.refined_symbols(codec, analysis, 1).q != whole).mean() < 1e-3


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
