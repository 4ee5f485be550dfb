# Cifra's commands. `make run` serves, `make test` runs the tests; nothing has to be installed before.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SETTINGS := constraints.txt Makefile
CORES := $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() or 1, 4))')
TEST_PROCESSES ?= $(shell expr 2 \* $(CORES)) # more than cores: tests often wait for a server

.DEFAULT_GOAL := help
.PHONY: help run serve-http serve-live worker test test-fast test-long check lint format models measure bench-images simulate verdict bench bench-report bench-workers bench-retrain bench-live chaos history translations demo demo-clean clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile

run: $(VENV)/trains ## serve Cifra; the first start installs and creates what it needs
	@exec $(BIN)/python -m gunicorn

serve-http: $(VENV)/trains ## serve the HTTP tier with granian; live connections are the live service's
	@exec $(BIN)/python serve_granian.py

serve-live: $(VENV)/trains ## serve live connections only, on PORT, beside an HTTP tier
	@ROLE=live exec $(BIN)/python -m gunicorn

worker: $(VENV)/trains ## run retrain jobs that servers with a REDIS_URL leave to workers
	@exec $(BIN)/flask --app wsgi worker

test test-fast: export PYTHONDONTWRITEBYTECODE := # a run starts a hundred processes; only the first compiles

test: $(VENV)/tests ## run every test, in random order
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal $(PYTEST_OPTIONS)

test-fast: $(VENV)/tests ## run the tests that start no server, browser, PostgreSQL or training
	$(BIN)/python -m pytest -n $(CORES) --dist worksteal -m "not slow" $(PYTEST_OPTIONS)

test-long: PYTEST_OPTIONS += --long
test-long: test ## run every test in its long form

check: lint test ## run what CI runs: the linters, then every test

lint: $(VENV)/tests ## run ruff, mypy, import-linter and the check for retired names
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_names.py

format: $(VENV)/tests ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: $(VENV)/tests ## train the bundled models from scratch, then measure them
	$(BIN)/python -m app.training
	$(BIN)/python -m benchmarks.ink
	$(BIN)/python -m benchmarks.models

measure: $(VENV)/tests ## measure the bundled models and write their cards
	$(BIN)/python -m benchmarks.ink
	$(BIN)/python -m benchmarks.models

bench-images: $(VENV)/tests ## measure accuracy for each kind of image, and what preprocessing costs
	$(BIN)/python -m benchmarks.kinds
	$(BIN)/python -m benchmarks.pictures_without_digit
	$(BIN)/python -m benchmarks.imaging

simulate: $(VENV)/tests ## check the error rates of verdicts in simulation
	$(BIN)/python -m benchmarks.simulate

verdict: $(VENV)/tests ## run an experiment to its verdict over HTTP, on real images
	$(BIN)/python -m benchmarks.verdict

bench-report: $(VENV)/tests ## measure the report at a thousand and at a million predictions
	$(BIN)/python -m benchmarks.report

bench: $(VENV)/tests $(VENV)-bench/fastapi ## measure requests per second beside a bare FastAPI and ONNX Runtime server
	$(BIN)/python -m benchmarks.serving

bench-workers: $(VENV)/tests ## measure the cost of a request with one and with two workers
	$(BIN)/python -m benchmarks.serving.workers

bench-retrain: $(VENV)/tests ## check that retrains learn, lose nothing and slow no request
	$(BIN)/python -m benchmarks.learning

bench-live: $(VENV)/tests ## measure what fifty dashboards cost the predictions
	$(BIN)/python -m benchmarks.live

chaos: $(VENV)/tests ## test failure modes and hostile clients
	$(BIN)/python -m benchmarks.chaos $(CHAOS_OPTIONS)

history: $(VENV)/tests ## check concurrent operations under kill -9 for lost, doubled and resurrected writes
	$(BIN)/python -m benchmarks.history $(HISTORY_OPTIONS)

translations: $(VENV)/tests ## extract the pages' texts for translation, and compile the catalog
	@mkdir -p build
	$(BIN)/pybabel -q extract -F app/web/babel.cfg -o build/messages.pot --no-location app/web
	$(BIN)/pybabel -q update -i build/messages.pot -d app/web/translations --no-fuzzy-matching --ignore-pot-creation-date
	$(BIN)/pybabel -q compile -d app/web/translations

demo: $(VENV)/tests ## serve a separate instance with simulated users
	@PYTHONPATH=clients/python/src exec $(BIN)/python -m examples.demo

demo-clean: ## delete the instance of the demo
	rm -rf instance-demo

clean: demo-clean ## delete installed packages and the demo; data and secrets in instance/ stay
	rm -rf $(VENV) $(VENV)-bench

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cifra: needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)-bench/fastapi: requirements-bench.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip --disable-pip-version-check install -r requirements-bench.txt
	@touch $@

$(VENV)/trains: requirements-train.txt requirements.txt $(SETTINGS) | $(BIN)/python
	$(PIP) install -r requirements-train.txt
	@touch $@

$(VENV)/tests: requirements-test.txt requirements-train.txt requirements.txt $(SETTINGS) | $(BIN)/python
	$(PIP) install -r requirements-test.txt
	@touch $@ $(VENV)/trains
