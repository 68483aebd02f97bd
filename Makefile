# make demo    compresses, decompresses and evaluates photographs with the shipped weights
# make check   linters, types and the quick tests: 80 s of one core
# make test    linters, types and all tests
# All build their environment first, in .venv; VENV=DIR PYTHON=python3.13 builds another one.

VENV ?= .venv
BIN := $(VENV)/bin
# TensorFlow 2.14, the paper's, runs on the first two of these; a current one on the others.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.10 python3.12 python3.13 python3,$(shell \
  $(p) -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null \
  && echo $(p))))
# Where there is none, uv fetches one.
UV := $(firstword $(shell command -v uv 2>/dev/null) $(shell python3 -m uv --version >/dev/null 2>&1 && echo "python3 -m uv"))
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
define FAILED
{ echo "The packages of $(1) could not be installed; the first time, that needs a network." >&2; exit 1; }
endef
define NO_PYTHON
{ echo "DeepSIC needs Python 3.10 to 3.13 (with venv), and none was found on the PATH; install one, or uv (https://docs.astral.sh/uv), which fetches it." >&2; exit 1; }
endef
# Of every package the tests that take a second or less each, but for those of damaged files and
# of pretrained heads.
QUICK := tests/data tests/models/test_[!p]*.py tests/test_imports.py \
  tests/deepsic/test_[!h]*.py tests/deepsic/coding tests/deepsic/search \
  tests/deepsic/browse/test_server.py \
  tests/deepsic/bulk/test_pack.py::test_unpacked_files_are_the_packed_ones \
  $(patsubst %,tests/training/test_%.py,loss optimisers rates settings) \
  $(patsubst %,tests/evaluation/test_%.py,accuracy bd cache calibration curves metrics references) \
  tests/tools/test_benchmarks.py \
  tests/golden/test_golden.py::test_golden_files_decode_and_are_coded_as_ever

.PHONY: demo check lint test clean

$(VENV)/product: requirements.txt
ifneq ($(PYTHON),)
	@$(PYTHON) -m venv $(VENV)
else
	@test -n "$(UV)" || python3 -m pip install --quiet --user uv 2>/dev/null || $(NO_PYTHON)
	@$(or $(UV),python3 -m uv) venv --quiet --seed --python 3.11 $(VENV) || $(NO_PYTHON)
endif
	@$(INSTALL) -r requirements.txt || $(call FAILED,requirements.txt)
	@touch $@

$(VENV)/developer: $(VENV)/product requirements-dev.txt
	@$(INSTALL) -r requirements-dev.txt || $(call FAILED,requirements-dev.txt)
	@touch $@

demo: $(VENV)/product
	$(BIN)/python demo.py

lint: $(VENV)/developer
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

check: lint
	$(BIN)/python -m pytest -x $(QUICK)

test: lint
	$(BIN)/python -m pytest

clean:
	rm -rf .venv demo build
