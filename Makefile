# `make bench` and `make test` work in a fresh checkout: they make .venv and install the project.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := $(shell find mcu_nas_moo constraint_profiles benchmarks/reference_fronts -type f \
	-not -path '*/__pycache__/*') setup.cfg pyproject.toml constraints.txt
WORKERS ?= 2

.PHONY: bench test lint types docs clean

# Compare six algorithms on one chip; results go to bench-results/.
bench: $(INSTALLED)
	$(BIN)/mcu-nas-bench $(BENCH_OPTIONS)

test: $(INSTALLED)
	$(BIN)/pytest -n $(WORKERS) $(TEST_OPTIONS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(INSTALLED)
	$(BIN)/mypy

# The documentation as a site, in site/; it needs neither a server nor a network.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

clean:
	rm -rf $(VENV) build dist *.egg-info bench-results site

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(VENV)/bin/python $(SOURCES)
	rm -rf build  # setuptools would put removed modules into the wheel again
	$(BIN)/python -m pip install --quiet --constraint constraints.txt '.[test,dev]'
	touch $@
