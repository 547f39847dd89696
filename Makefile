PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

# Unless asked so, every run has the same order and the same generated examples: it judges the change.
EXPLORE := --randomly-seed=default --hypothesis-profile=exploring

.PHONY: help demo test explore chaos fhir mutants setup lock clean

help:
	@echo "make demo     sets up, then runs the whole flow on a real broker and database"
	@echo "make test     sets up, then runs lint, types, import contracts and all tests"
	@echo "make explore  runs the tests in another order and with other generated examples each time"
	@echo "make chaos    sets up, then hurts the quality stage in every way, again and again (hours)"
	@echo "make fhir     sets up, then lets a validator from outside judge the answers of the FHIR face"
	@echo "make mutants  changes rules and life cycle in every small way, and prints what no test notices"
	@echo "make lock     resolves the dependencies again, with hashes"
	@echo "make clean    removes what the targets above made"

# The two locks differ only by the tools that tests and lint need. Both are complete, hence --no-deps.
$(VENV)/.run: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.dev

demo: $(VENV)/.run
	$(BIN)/dpp demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 tests/unit
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/chaos tests/e2e tests/integration

explore: $(VENV)/.dev
	$(BIN)/pytest $(EXPLORE) -n 2 tests/unit
	$(BIN)/pytest $(EXPLORE) -n 2 --dist loadfile --no-loadscope-reorder tests/e2e tests/integration

chaos: $(VENV)/.dev
	$(BIN)/python -m tests.chaos $(ARGS)

# The first run fetches the validator's jars, checked against a lock as the broker's are.
fhir: $(VENV)/.dev
	$(BIN)/python -m tests.support.fhir

# A mutant is a copy of the code with one small change; docs/quality-mutants.md explains survivors.
mutants: $(VENV)/.dev
	rm -rf mutants
	$(BIN)/mutmut run
	$(BIN)/mutmut results

lock: $(VENV)/.dev
	$(BIN)/uv pip compile $(LOCK_FLAGS) --group build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(LOCK_FLAGS) --group dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) dist build mutants .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
