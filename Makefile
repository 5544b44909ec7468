# `make demo` and `make test` do everything on a fresh machine with Python ≥ 3.11; the rest is for developers.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= auto

# Modules are compiled once, and not by each of the many processes that tests start.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test slow bench docs format lint types check wheel clean

.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/installed
	mkdir -p demo
	$(BIN)/asegen generate SrTiO3 -n 8 --seed 1 --overwrite -o demo/SrTiO3.extxyz --plot demo/SrTiO3.png

test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS)

slow: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m 'slow or hypothesis' --hypothesis-profile=thorough

bench: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -s tests/benchmarks --override-ini addopts=

# Sphinx and its company are installed when they are needed first.
.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

docs: .venv/docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --doctree-dir docs/_build/doctrees docs docs/_build/html

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/installed
	$(BIN)/mypy asegen examples/*.py examples/studies

# A build/ folder left behind would put deleted modules back into the wheel.
wheel: .venv/installed
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist .
	rm -rf build

check: lint types test

clean:
	rm -rf .venv build dist demo docs/_build *.egg-info
