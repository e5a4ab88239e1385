# `make demo` and `make test` need only Python 3.11+ and make; everything else is installed into .venv from the lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check format bench lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED) ## set up .venv from requirements.lock

$(INSTALLED): requirements.lock pyproject.toml remit/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e ./remit -e .
	@touch $@

demo: install ## run the main road end to end: attest, issue, verify, revoke
	$(BIN)/python examples/demo/demo.py

test: install ## run every test
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: install ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## measure every figure of docs/reference/performance.md
	$(BIN)/python -m benchmarks

lock: ## refresh requirements.lock (needs uv)
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
		--no-emit-package remit --extra dev pyproject.toml -o requirements.lock

clean: ## remove what the targets made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
