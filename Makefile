# SPDX-License-Identifier: Apache-2.0
# Entry points; everything else is the d1 command, which `make setup` installs into .venv/bin.

PYTHON ?= python3
PYTEST_ARGS ?=
BIN := .venv/bin

.PHONY: help setup demo test lint baselines clean

help:
	@echo "make demo       2x2 array of full-size nodes multiplies two 256x256 BF16 matrices"
	@echo "make test       the whole test suite (PYTEST_ARGS='-k matmul' picks some of it)"
	@echo "make lint       ruff and mypy alone"
	@echo "make setup      only the environment, .venv; then: . .venv/bin/activate && d1 --help"
	@echo "make baselines  measure the exact cycle counts anew and write them to verif/baselines/"
	@echo "make clean      remove .venv and everything that a run made in this folder"

setup:
	@$(PYTHON) scripts/set_up.py

demo: setup
	@$(BIN)/d1 demo

test:
	@$(PYTHON) scripts/set_up.py test
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal $(PYTEST_ARGS)

lint:
	@$(PYTHON) scripts/set_up.py test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

baselines: setup
	@$(BIN)/d1 bench --write-baselines

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
