# Cifra's commands. `make run` serves, `make test` tests; neither needs anything done before.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SETTINGS := constraints.txt Makefile
CORES := $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() or 1, 4))')
TEST_PROCESSES ?= $(shell expr $(CORES) + 1) # one more than cores: tests often wait for a server

.DEFAULT_GOAL := help
.PHONY: help run serve-http serve-live worker test test-fast test-long check lint format models measure bench-images simulate verdict bench bench-report bench-workers bench-retrain bench-live chaos translations demo demo-clean clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile

run: $(VENV)/trains ## serve Cifra; a first start makes all that it needs
	@exec $(BIN)/python -m gunicorn

serve-http: $(VENV)/trains ## serve the HTTP tier alone, with granian; sockets are the live service's
	@exec $(BIN)/python serve_granian.py

serve-live: $(VENV)/trains ## serve the dashboards' sockets alone, on PORT, beside an HTTP tier
	@ROLE=live exec $(BIN)/python -m gunicorn

worker: $(VENV)/trains ## train what servers with a REDIS_URL leave to workers
	@exec $(BIN)/flask --app wsgi worker

test: $(VENV)/tests ## run every test, in random order
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal $(PYTEST_OPTIONS)

test-fast: $(VENV)/tests ## run the tests that start no server, browser, PostgreSQL or training
	$(BIN)/python -m pytest -n $(CORES) --dist worksteal -m "not slow" $(PYTEST_OPTIONS)

test-long: PYTEST_OPTIONS += --long
test-long: test ## run every test in its long form

check: lint test ## what CI runs: the linters, then every test

lint: $(VENV)/tests ## ruff, mypy and the layers' contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_names.py

format: $(VENV)/tests ## bring the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: $(VENV)/tests ## train both shipped models from scratch, then measure them
	$(BIN)/python -m app.training
	$(BIN)/python -m benchmarks.models

measure: $(VENV)/tests ## measure the shipped models anew and write their cards
	$(BIN)/python -m benchmarks.models

bench-images: $(VENV)/tests ## measure each kind of picture, and what imaging costs
	$(BIN)/python -m benchmarks.kinds
	$(BIN)/python -m benchmarks.imaging

simulate: $(VENV)/tests ## whether verdicts err as seldom as they say, in simulation
	$(BIN)/python -m benchmarks.simulate

verdict: $(VENV)/tests ## an experiment from start to verdict, over HTTP, on real pictures
	$(BIN)/python -m benchmarks.verdict

bench-report: $(VENV)/tests ## what the report costs at a thousand and at a million predictions
	$(BIN)/python -m benchmarks.report

bench: $(VENV)/tests $(VENV)-bench/peer ## how fast it answers, beside a bare FastAPI and ONNX Runtime server
	$(BIN)/python -m benchmarks.serving

bench-workers: $(VENV)/tests ## what a request costs with one worker and with two
	$(BIN)/python -m benchmarks.serving.workers

bench-retrain: $(VENV)/tests ## whether retrains learn, never get worse, and harm no request
	$(BIN)/python -m benchmarks.learning

bench-live: $(VENV)/tests ## what fifty dashboards cost the predictions beside them
	$(BIN)/python -m benchmarks.live

chaos: $(VENV)/tests ## what Cifra does when parts of it fail, and when clients mean it ill
	$(BIN)/python -m benchmarks.chaos

translations: $(VENV)/tests ## gather the pages' texts for translation, and compile what is translated
	@mkdir -p build
	$(BIN)/pybabel -q extract -F app/web/babel.cfg -o build/messages.pot --no-location app/web
	$(BIN)/pybabel -q update -i build/messages.pot -d app/web/translations --no-fuzzy-matching --ignore-pot-creation-date
	$(BIN)/pybabel -q compile -d app/web/translations

demo: $(VENV)/tests ## serve an instance of its own with life on it, to see the dashboard move
	@PYTHONPATH=clients/python/src exec $(BIN)/python -m examples.demo

demo-clean: ## remove the demo's instance
	rm -rf instance-demo

clean: demo-clean ## remove what make installed and the demo; rows and secrets in instance/ stay
	rm -rf $(VENV) $(VENV)-bench

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cifra: needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)-bench/peer: requirements-bench.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip --disable-pip-version-check install -r requirements-bench.txt
	@touch $@

$(VENV)/trains: requirements-train.txt requirements.txt $(SETTINGS) | $(BIN)/python
	$(PIP) install -r requirements-train.txt
	@touch $@

$(VENV)/tests: requirements-test.txt requirements-train.txt requirements.txt $(SETTINGS) | $(BIN)/python
	$(PIP) install -r requirements-test.txt
	@touch $@ $(VENV)/trains
