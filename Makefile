# Verbs for people and for CI. Each sets up what it needs, once, in .venv; a second run starts at once.
# Needs: Python 3.11 or later and make. A C compiler only for ENGINE=MPI on a machine without GPUs.

PYTHON ?= python3
MODEL ?=
HOST ?= 127.0.0.1
PORT ?= 8080
ENGINE ?=
DJL ?= 0.34.0
SECONDS ?= 600

BIN := .venv/bin
# In the order of their names: the files that take long come early, the quick ones fill what is left.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
LOCK := requirements/dev.lock
# Every child that imports torch and transformers would compile their sources again, which takes as long as running them.
unexport PYTHONDONTWRITEBYTECODE
READY := .venv/.ready

.PHONY: serve test test-lowest check-long lint audit format fuzz bench chaos lock clean help
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

$(READY): $(LOCK) pyproject.toml setup.py scripts/setup
	@scripts/setup "$(PYTHON)" "$(LOCK)"

serve: $(READY) ## serve a model on port 8080 (MODEL= PORT= ENGINE=Python|MPI DJL=0.34.0|0.25.0)
	@exec $(BIN)/djl-trtllm serve $(MODEL) --host $(HOST) --port $(PORT) $(if $(ENGINE),--engine $(ENGINE)) --djl $(DJL)

test: $(READY) ## the test suite; at most 15 minutes on two cores
	@scripts/timed "make test" $(PYTEST) -m "not long" $(ARGS)

test-lowest: $(READY) ## unit tests on the lowest versions and on those of LMI's images; at most 5 minutes
	@scripts/timed "make test-lowest" scripts/test-lowest "$(PYTHON)" $(ARGS)

check-long: $(READY) ## all tests, in full counts, every family, and the faults in short; at most 45 minutes
	@scripts/timed "make check-long" scripts/check-long "$(PYTEST)" $(ARGS)

lint: $(READY) ## ruff, mypy, the layers, bandit
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive djl_trtllm docker

audit: $(READY) ## known vulnerabilities of everything locked; needs a network that reaches the advisories
	@$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --no-deps --requirement $(LOCK)

format: $(READY) ## let ruff format and fix what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

fuzz: $(READY) ## coverage-guided fuzzing, findings in build/fuzz; 10 minutes, or SECONDS=
	@scripts/timed "make fuzz" $(BIN)/python -m fuzz --seconds $(SECONDS) $(ARGS)

bench: $(READY) ## the figures, with their bars; also in build/bench/results.json
	@scripts/timed "make bench" $(BIN)/python -m bench $(ARGS)

chaos: $(READY) ## every fault, and what became of the promises; at most 40 minutes (ARGS="--quick": 6)
	@scripts/timed "make chaos" $(BIN)/python -m chaos $(ARGS)

lock: ## resolve the locks anew
	@scripts/lock

clean: ## remove the environment and everything built
	rm -rf .venv .venv-lowest build .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
