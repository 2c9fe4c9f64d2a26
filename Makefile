# `make run` and `make test` do all the set-up on a fresh machine; `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SUITES := tests/unit tests/integration

.DEFAULT_GOAL := help
.PHONY: help run demo test e2e check fix bench setup

help: ## Say what can be made
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

run: $(VENV)/runtime ## Start the portal with its worker: web pages, API, live logs
	@exec $(BIN)/python manage.py up

demo: $(VENV)/runtime ## Deploy the example application and print its URL
	@exec $(BIN)/python manage.py demo

test: $(VENV)/tests ## Unit and integration tests; on PostgreSQL too where it is installed
	$(BIN)/python -m pytest -n 2 $(SUITES)
	$(BIN)/python -m tests.postgres $(BIN)/python -m pytest -m both_databases $(SUITES)

e2e: $(VENV)/dev ## Real browsers, workers, engines and kills
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/e2e

check: $(VENV)/dev ## Lint, format, types, migrations; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python manage.py check --fail-level WARNING

fix: $(VENV)/dev ## Mend what a machine can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev ## Measure beside the alternatives; each line prints its ratio
	$(BIN)/python -m bench

setup: $(VENV)/dev ## Install everything a developer needs

# Each stamp is renewed when its requirements change.
$(VENV)/bin/python:
	@sh .ci/make-venv "$(PYTHON)" $(VENV)

$(VENV)/runtime: requirements.txt | $(VENV)/bin/python
	@echo "Installing the requirements (about half a minute)..." >&2
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/tests: requirements-test.txt $(VENV)/runtime
	@echo "Installing what the tests need..." >&2
	@$(PIP) -r requirements-test.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/tests
	@echo "Installing what developers need..." >&2
	@$(PIP) -r requirements-dev.txt
	@touch $@
