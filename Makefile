# The commands of this project. `make run` starts a cluster, `make test` runs every test.
# No root is needed, except once for Debian packages that tests use (scripts/test-programs tells which).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WEB_OUT := src/teleport/proxy/web/static/index.html
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check format bench fuzz web env dev clean help

help:
	@echo "make run    start auth, proxy and SSH service on https://localhost:3080"
	@echo "make test   run every test, with the real ssh, ansible and Chromium"
	@echo "make check  format, lint, types, import contract"
	@echo "make fuzz   send changed input to every parser and door that strangers reach; ARGS='--seconds 60'"
	@echo "make bench  measure against OpenSSH and HAProxy, print the table of docs/benchmarks.md"

run: env web
	$(BIN)/teleport start $(ARGS)

env: $(VENV)/.runtime
dev: $(VENV)/.dev
web: $(WEB_OUT)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@test -e $(VENV)/.dev || $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@test -e $(VENV)/.dev || $(BIN)/python -m pip install --quiet --require-hashes -r requirements-build.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-build.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime

web/node_modules/.installed: web/package-lock.json web/package.json
	cd web && npm ci --no-audit --no-fund --silent
	@touch $@

$(WEB_OUT): web/node_modules/.installed $(WEB_SOURCES)
	cd web && npm run --silent build
	@touch $@

check: dev web/node_modules/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --output-format concise .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd web && npm run --silent check

format: dev
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .
	cd web && npm run --silent format

test: dev web
	scripts/test-programs
	cd web && npm test --silent
	$(BIN)/pytest -n auto --dist worksteal $(ARGS)

fuzz: dev web
	$(BIN)/python -m tests.fuzz $(ARGS)

bench: dev web
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) web/node_modules src/teleport/proxy/web/static build dist
