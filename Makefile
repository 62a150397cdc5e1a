# The README's commands. Each does all its own set-up; the first run takes as long as the packages take to arrive.

VENV := .venv
PYTHON := $(VENV)/bin/python
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11

.PHONY: run test check bench soak lock docs help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run:  ## set up what is needed, then serve this machine's transcripts on http://127.0.0.1:6387
	@.ci/venv requirements.lock
	@$(PYTHON) . serve

test:  ## all tests, on every database and with the browser that are at hand
	@.ci/venv requirements-dev.lock
	@.ci/test

check:  ## formatting, lint, types
	@.ci/venv requirements-dev.lock
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy

bench:  ## the benchmarks of docs/performance.md
	@.ci/venv requirements-dev.lock
	@$(PYTHON) bench $(ARGS)

soak:  ## kill, restart and hammer it for a while; every total must stay exact
	@.ci/venv requirements-dev.lock
	@$(PYTHON) bench/soak $(ARGS)
	@$(PYTHON) bench/identity.py
	@$(PYTHON) bench/identity_races.py
	@AGENTMETER_TEST_KILLS=200 $(PYTHON) -m pytest -q tests/meter/test_audit_kills.py

lock:  ## renew the locks from pyproject.toml
	@.ci/venv requirements-dev.lock
	$(LOCK) --upgrade --extra postgres --output-file requirements.lock pyproject.toml
	$(LOCK) --upgrade --extra dev --output-file requirements-dev.lock pyproject.toml

docs:  ## renew the pages that are made from the code
	@.ci/venv requirements-dev.lock
	@$(PYTHON) . config --markdown > docs/config.md
