# surgplan's own chores. `make` or `make help` lists them.

VENV ?= .venv
PY := $(VENV)/bin/python
SURGPLAN := $(VENV)/bin/surgplan
DEMO ?= demo
JOBS ?= 2
COUNT ?= 2000
SEED ?= 1
# programs that the tests start by the hundred keep their bytecode, whatever the environment says
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo check format test test-all faults cluster fuzz bench bench-segmentation docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install surgplan into .venv, and the system libraries that it needs (as root)
	@scripts/setup.sh run

setup-test: ## the same with all that the tests need
	@scripts/setup.sh test

demo: setup ## make an example case, run it, and say where the results are
	@$(SURGPLAN) example skull -o $(DEMO)/skull --overwrite --quiet > /dev/null
	@$(SURGPLAN) run $(DEMO)/skull/case.toml -o $(DEMO)/skull-case -v > /dev/null
	@echo
	@echo "The case is in $(DEMO)/skull-case:"
	@echo "  report      $(DEMO)/skull-case/report/index.html"
	@echo "  print       $(DEMO)/skull-case/print/skull-example.3mf"
	@echo "  navigation  $(DEMO)/skull-case/navigation/landmarks.mrk.json"

check: setup-test ## format, lint and types
	@$(PY) -m ruff format --check --quiet src tests
	@$(PY) -m ruff check --quiet src tests
	@$(PY) -m mypy --no-error-summary

format: setup-test ## format the code
	@$(PY) -m ruff check --fix --quiet src tests
	@$(PY) -m ruff format --quiet src tests

test: check ## checks and tests: under 10 minutes on 2 cores
	@$(PY) -m pytest -n $(JOBS)

test-all: check ## also the slow tests
	@$(PY) -m pytest -n $(JOBS) -m "slow or not slow"

fuzz: setup-test ## read mutated files: COUNT, SEED and KINDS say how many, which and of what
	@$(PY) -m tests.fuzz --count $(COUNT) --seed $(SEED) $(if $(KINDS),--kinds $(KINDS))

faults: setup-test ## bad input, full disks, killed processes; writes docs/reliability.md (FAULTS="--kills 50" for less)
	@$(PY) -m pytest -n $(JOBS) tests/faults
	@$(PY) -m tests.faults $(FAULTS)

cluster: setup-test ## the workflow for Snakemake on a real Slurm of this machine; installs both
	@scripts/cluster.sh
	@$(PY) -m pytest -n 0 tests/cluster -m slow

bench: setup-test ## measure against other tools; writes docs/benchmarks.md
	@$(PY) -m tests.benchmarks

bench-segmentation: setup-test ## Dice and speed of the recipes on real scans; writes docs/benchmarks-segmentation.md
	@$(PY) -m tests.benchmarks.segmentation

docs: setup-test ## make the generated pages of docs from the code
	@$(PY) -m surgplan.cli.docs docs

clean: ## remove what was made, also the virtual environment
	rm -rf $(VENV) $(DEMO) src/surgplan/report/viewer/dist src/surgplan/report/viewer/node_modules build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
