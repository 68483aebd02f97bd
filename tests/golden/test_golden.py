"""Files of the past decode for ever, and the same on every machine."""

import os
import pathlib
import subprocess
import sys

import pytest

from deepsic import store
from tests.golden import shipped
from tests.golden.check import check

HERE = pathlib.Path(__file__).parent
FOLDERS = sorted(p.parent for p in HERE.glob("*/tables.npz"))
SETTINGS = {
    "one thread": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DSIC_CORES": "1"},
    "many threads": {"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": "7"},
    "no oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "oneDNN with SSE 4.1": {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "oneDNN with AVX2": {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "linear algebra for old processors": {"OPENBLAS_CORETYPE": "Prescott"},
    "linear algebra with AVX": {"OPENBLAS_CORETYPE": "Sandybridge"},
    "linear algebra with AVX2": {"OPENBLAS_CORETYPE": "Haswell"},
    "linear algebra with AVX-512": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "NumPy without AVX": {"NPY_DISABLE_CPU_FEATURES": "AVX F16C FMA3 AVX2"},
    "no GPU": {"CUDA_VISIBLE_DEVICES": "-1"},
}


def _avx512() -> bool:
    try:
        return "avx512f" in pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_golden_files_decode_and_are_coded_as_ever(folder):
    assert check(folder) == []


@pytest.mark.parametrize("name", SETTINGS)
def test_symbols_do_not_depend_on_the_machine(name):
    if "AVX-512" in name and not _avx512():
        pytest.skip("this processor has no AVX-512")
    environment = os.environ | SETTINGS[name]
    command = [sys.executable, "-m", "tests.golden.check", str(FOLDERS[-1])]
    root = HERE.parent.parent
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.stdout == "exact\n", done.stderr


@pytest.mark.parametrize("name", shipped.files())
def test_files_of_shipped_models_decode_as_ever(name):
    expected = shipped.index()[name]
    found = shipped.facts((shipped.FOLDER / name).read_bytes())
    assert found["symbols"] == expected["symbols"]
    assert found["psnr"] == pytest.approx(expected["psnr"], abs=0.05)
    if name.startswith("pre"):  # a post file is classified by networks, whose last digits vary
        assert found["label"] == expected["label"]


def test_every_shipped_model_has_a_golden_file():
    names = {f"{f.name}-{f.fingerprints[0].hex()}.dsic" for f in store.shipped()}
    assert names <= set(shipped.files())


def test_there_are_golden_files_of_the_present_version():
    from deepsic.container import VERSION

    assert HERE / f"v{VERSION}" in FOLDERS
