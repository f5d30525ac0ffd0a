# Two commands are all that a newcomer needs: `make run` and `make test`. `make help` lists the rest.
# Works with GNU make 3.81 (macOS) and later.

VENV := .venv
BIN := $(VENV)/bin
# Installs the lock file in seconds; the only package that is not in it.
UV_VERSION := 0.13.8
# Test processes at once: two for each core of the smallest machine that the suite is timed on, because many tests wait for
# leases and processes.
JOBS ?= 4
# worksteal: neighbours share what their module starts, and nobody waits at the end for the one with the longest tests.
PARALLEL = -n $(JOBS) --dist worksteal

# The newest Python from 3.11 on that can make virtual environments; PYTHON=... chooses another.
PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3; do \
	"$$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& echo "$$candidate" && break; done)

.DEFAULT_GOAL := help
.PHONY: help run test test-slow check fmt lock bench audit clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.standalone ## start everything on this machine (PORT=9000 for another port, SLIPWAY_DATA for another folder)
	@exec $(BIN)/python -m workers.standalone

test: $(VENV)/.dev ## run the tests on real servers that they bring themselves
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(ARGS)

test-slow: $(VENV)/.dev ## run the long tests: kill matrix, fuzzers
	@$(BIN)/python -m pytest $(PARALLEL) -m slow $(ARGS)

check: $(VENV)/.dev ## check format, lint, types and import rules; what CI runs
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

fmt: $(VENV)/.dev ## format the code and apply the safe fixes
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

lock: $(VENV)/.uv ## write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --group dev --python-version 3.11 -o requirements.lock

bench: $(VENV)/.dev ## measure on real servers, asserting nothing (ARGS="accept" for one, ARGS="--quick" for a look, ARGS="--help")
	@$(BIN)/python -m benchmarks $(ARGS)

audit: $(VENV)/.dev ## look up known vulnerabilities of the locked packages (needs the network)
	@$(BIN)/pip-audit --disable-pip --requirement requirements.lock

clean: ## remove the virtual environment and all caches; the data folder stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Bytecode is compiled at once: the first start is faster, and so is every one where PYTHONDONTWRITEBYTECODE is set.
# Stamps: a second `make run` finds them newer than the lock file and installs nothing.
$(VENV)/.uv:
	@test -n "$(PYTHON)" || { echo "Slipway needs Python 3.11 or later with venv (Debian: apt install python3-venv)." >&2; exit 1; }
	@echo "Making the virtual environment $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -qq uv==$(UV_VERSION)
	@touch $@

$(VENV)/.standalone $(VENV)/.dev: $(VENV)/.%: $(VENV)/.uv requirements.lock pyproject.toml
	@echo "Installing the locked packages ($*) ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --group $* --constraint requirements.lock
	@touch $@
