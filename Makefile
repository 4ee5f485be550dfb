# Cifra's commands. `make run` serves, `make test` tests; neither needs anything done before.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SETTINGS := constraints.txt Makefile

.DEFAULT_GOAL := help
.PHONY: help run test check lint format models measure pictures simulate verdict costs clean

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

run: $(VENV)/serves ## serve Cifra; a first start makes all that it needs
	@exec $(BIN)/python -m gunicorn

test: $(VENV)/tests ## run every test
	$(BIN)/python -m pytest

check: lint test ## what CI runs: the linters, then every test

lint: $(VENV)/tests ## ruff, mypy and the layers' contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/tests ## bring the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: $(VENV)/tests ## train both shipped models from scratch, then measure them
	$(BIN)/python -m app.training
	$(BIN)/python -m benchmarks.models

measure: $(VENV)/tests ## measure the shipped models anew and write their cards
	$(BIN)/python -m benchmarks.models

pictures: $(VENV)/tests ## measure each kind of picture, and what imaging costs
	$(BIN)/python -m benchmarks.kinds
	$(BIN)/python -m benchmarks.imaging

simulate: $(VENV)/tests ## whether verdicts err as seldom as they say, in simulation
	$(BIN)/python -m benchmarks.simulate

verdict: $(VENV)/tests ## an experiment from start to verdict, over HTTP, on real pictures
	$(BIN)/python -m benchmarks.verdict

costs: $(VENV)/tests ## what the report costs at a thousand and at a million predictions
	$(BIN)/python -m benchmarks.report

clean: ## remove what make installed; rows and secrets in instance/ stay
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cifra: needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/serves: requirements.txt $(SETTINGS) | $(BIN)/python
	$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/trains: requirements-train.txt requirements.txt $(SETTINGS) | $(BIN)/python
	$(PIP) install -r requirements-train.txt
	@touch $@ $(VENV)/serves

$(VENV)/tests: requirements-test.txt requirements-train.txt requirements.txt $(SETTINGS) | $(BIN)/python
	$(PIP) install -r requirements-test.txt
	@touch $@ $(VENV)/serves $(VENV)/trains
