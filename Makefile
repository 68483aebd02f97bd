# make demo   compresses, decompresses and evaluates photographs with the shipped weights
# make test   linters, types and tests
# Both build their environment in .venv first.

# TensorFlow 2.14, the last that tensorflow-compression has layers for, runs on these.
PYTHON := $(firstword $(foreach p,python3.11 python3.10 python3,$(shell \
  $(p) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 12))' 2>/dev/null && echo $(p))))
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
define FAILED
{ echo "The packages of $(1) could not be installed; the first time, that needs a network." >&2; exit 1; }
endef

.PHONY: demo test lint clean

.venv/product: requirements.txt
ifeq ($(PYTHON),)
	@echo "DeepSIC needs Python 3.10 or 3.11 (with venv), and none was found on the PATH." >&2; exit 1
endif
	@$(PYTHON) -m venv .venv
	@$(INSTALL) -r requirements.txt || $(call FAILED,requirements.txt)
	@touch $@

.venv/developer: .venv/product requirements-dev.txt
	@$(INSTALL) -r requirements-dev.txt || $(call FAILED,requirements-dev.txt)
	@touch $@

demo: .venv/product
	$(BIN)/python demo.py

lint: .venv/developer
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

test: lint
	$(BIN)/python -m pytest

clean:
	rm -rf .venv demo build
