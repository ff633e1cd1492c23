# Every target sets up what it needs, from a clean clone: Python 3.11+, make and the package registries are enough.

PYTHON ?= python3
UV_VERSION := 0.13.8
ARGS ?=
WORKERS ?= 2

BIN := .venv/bin
CODE = $(wildcard gamekeeper tests benchmarks examples scripts)

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
# Images of containers often set it. The tests start a hundred Pythons, and each would compile a thousand files anew.
unexport PYTHONDONTWRITEBYTECODE
# --inexact: the targets share one environment, and none removes what another one installed.
SYNC = $(BIN)/uv sync --frozen --inexact --no-default-groups --quiet

.DEFAULT_GOAL := help
.PHONY: help dev test check bench format docs module clean

help: ## list these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-8s %s\n' "$$name" "$$text"; done
	@echo 'dev, test and bench pass ARGS on: make test ARGS="-k trade --only-sqlite"'

dev: .venv/.runtime ## start a small living world in .world/, with its API and Studio
	@mkdir -p .world
	cd .world && ../$(BIN)/gamekeeper dev $(ARGS)

test: .venv/.test ## run the tests, on SQLite and on a PostgreSQL that they start themselves
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: .venv/.check ## check format, lint, types, the direction of imports and the rules of the house
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/test_house.py

bench: .venv/.bench $(if $(shell command -v npm),benchmarks/peers/node_modules/.installed) ## measure against the peers (those in Node if npm is there)
	$(BIN)/python -m benchmarks $(ARGS)

format: .venv/.check ## format the code, and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet $(CODE)
	$(BIN)/ruff format $(CODE)

docs: .venv/.runtime ## write what follows from declarations into docs/
	$(BIN)/python -m scripts.write_docs

module: .venv/.check ## write the files of a new module: make module NAME=guilds
	$(BIN)/python -m scripts.new_module $(NAME)

clean: ## remove what the other targets made, except the world
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist benchmarks/peers/node_modules
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +

.venv/.uv: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/.runtime: .venv/.uv pyproject.toml uv.lock
	$(SYNC)
	@touch $@

.venv/.test .venv/.check .venv/.bench: .venv/.%: .venv/.uv pyproject.toml uv.lock
	$(SYNC) --group $*
	@touch $@

benchmarks/peers/node_modules/.installed: benchmarks/peers/package-lock.json
	cd benchmarks/peers && npm ci --no-audit --no-fund
	@touch $@
