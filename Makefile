# Needs python3 (3.11 or newer) and make; everything else is fetched into .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
TESTS ?= tests

.PHONY: run viewer test lint soak bench docs lock

run: .venv/.installed
	@exec $(BIN)/pacs serve $(ARGS)

# A file's tests share servers, so one worker has them all. Three on two cores: tests wait as much as they
# compute. Compiled once: they start many processes.
test: export PYTHONDONTWRITEBYTECODE =
test: lint
	@sh .ci/tools
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(TESTS)

lint: .venv/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy --num-workers 2

# OHIF, the large viewer; without it the built-in one opens.
viewer:
	@sh .ci/ohif ohif

soak: .venv/.developing
	@sh .ci/tools
	$(BIN)/python -m tests.conformance.crash --rounds $(or $(ROUNDS),100) $(ARGS)

bench: .venv/.developing
	$(BIN)/python -m bench $(ARGS)

docs: .venv/.developing
	$(BIN)/python -m config.documents

# The lock files say what `pip freeze` says of a new environment with the newest releases allowed.
lock:
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/pip --quiet install . && .venv-lock/bin/pip freeze | grep -v '^lightbox-pacs' > requirements.lock
	@.venv-lock/bin/pip --quiet install '.[dev]' && .venv-lock/bin/pip freeze | grep -v '^lightbox-pacs' > requirements-dev.lock
	@rm -rf .venv-lock

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is needed: make run PYTHON=/path/to/python3.11'; exit 1; }
	@echo 'Installing into .venv ...'
	@$(PYTHON) -m venv .venv
	@$(PIP) install -r requirements.lock
	@$(PIP) install --no-deps --editable .
	@touch $@

.venv/.developing: requirements-dev.lock .venv/.installed
	@$(PIP) install -r requirements-dev.lock
	@touch $@
