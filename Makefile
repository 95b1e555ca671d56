# The same targets serve a person and CI. Python 3.11 or later: `make PYTHON=python3.12 demo`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all test-versions lint bench mutants clean

demo: $(VENV)/core
	$(BIN)/tierbreak classify tests/sample.tsv --output-format table

test: $(VENV)/dev
	$(BIN)/python -m pytest

test-all: $(VENV)/dev
	$(BIN)/python -m pytest -m "slow or not slow"

# The core tests on every Python that is supported and here, and with the lowest versions allowed.
test-versions:
	$(PYTHON) tests/versions.py

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev
	$(BIN)/python -m pytest bench --benchmark-enable

# Small slips put into the code one at a time: do the tests notice them? An hour or two; no part of CI.
mutants: $(VENV)/dev
	$(BIN)/python tests/mutants/run.py --jobs 2

# A stamp a set of packages, so that the second `make` installs nothing.
$(VENV)/core: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/dev: $(VENV)/core
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) dist build .pytest_cache .hypothesis .ruff_cache .mypy_cache
