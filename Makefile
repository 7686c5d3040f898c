# Everything that a person runs. Each target sets up what it needs; state lives in .venv and .lake, nothing global is changed.
PYTHON ?= python3
BIN    := .venv/bin
UV_VERSION := 0.13.9
READY  := .venv/.ready
SPARK  := .lake/spark.ready

.DEFAULT_GOAL := help
.PHONY: help demo dev test faults check bench lock clean

help:  ## Say what there is.
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

demo: $(READY) $(SPARK)  ## Run the whole path once, from the platform's rows to gold, and account for every event.
	@exec $(BIN)/python -m demo run

dev: $(READY) $(SPARK)  ## Keep it all running with live traffic; the Dagster UI is on port 3000.
	@exec $(BIN)/python -m demo dev

test: $(READY) $(SPARK)  ## Run the tests.
	@exec $(BIN)/python -m pytest -q -n 2 --dist loadgroup $(ARGS)

# What is compiled only for large work, on small: each outcome must be the same.
COMPILED := $(addprefix tests/integration/lake/test_,fast_path.py bad_input.py any_order.py rollback.py)

faults: $(READY) $(SPARK)  ## Break everything many times: 10,000 steps of the invariant's machine, 200 relays, 50 runs of the lake and an erasure killed, 50 increments compacted, a key rotated; then the lake's tests compiled, and on a cluster.
	@FAULT_STEPS=$${FAULT_STEPS:-10000} FAULT_ROUNDS=$${FAULT_ROUNDS:-200} $(BIN)/python -m pytest -q -n0 tests/faults tests/integration/lake/test_erasure.py tests/integration/lake/test_any_order.py $(ARGS)
	@FAULT_ROUNDS=$${FAULT_ROUNDS:-200} $(BIN)/python -m pytest -q -n0 -m long tests/integration --ignore tests/integration/lake/test_erasure.py $(ARGS)
	@PUSHLAKE_TEST_COMPILED=1 $(BIN)/python -m pytest -q -n0 $(COMPILED) $(ARGS)
	@PUSHLAKE_TEST_CLUSTER=1 $(BIN)/python -m pytest -q -n0 tests/integration/lake $(ARGS)

check: $(READY)  ## Lint, types, import rules, contracts and the Dagster definitions.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy publisher resources
	@$(BIN)/lint-imports
	@$(BIN)/publisher contracts check
	@$(BIN)/publisher contracts diff
	@$(BIN)/dg check defs --no-check-yaml

bench: $(READY) $(SPARK)  ## Measure, side by side with peers, in one run.
	@exec $(BIN)/python -m benchmarks

lock:  ## Resolve the dependencies anew and write requirements.lock.
	@$(BIN)/uv lock --upgrade --quiet
	@$(BIN)/uv export --quiet --frozen --all-extras --all-groups --no-emit-workspace --no-header --no-annotate -o requirements.lock

clean:  ## Remove the demo's state, but not what set-up downloaded.
	@rm -rf .lake/run .lake/dev

$(READY): requirements.lock pyproject.toml publisher/pyproject.toml
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 15) or sys.exit("Pushlake needs Python 3.11 to 3.14, and $(PYTHON) is %d.%d: call make with PYTHON=python3.12, say." % sys.version_info[:2])'
	@echo "Setting up (once): Python packages …"
	@$(PYTHON) -m venv .venv || { echo "Python cannot make virtual environments here: install its venv module (Debian: python3-venv)."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e publisher -e .
	@touch $@

$(SPARK): $(READY) resources/spark_server/ivy.xml
	@$(BIN)/python -m resources.spark_server prepare
	@touch $@
