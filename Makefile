# `make demo` sets everything up in .venv and runs the main job; `make test` does the same and passes the tests.
SHELL := /bin/bash
PYTHON ?= python3
# one more than a small machine has processors: the tests with Slurm mostly wait
WORKERS ?= 3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# the certificates of the machine: many centres have an authority of their own
export UV_SYSTEM_CERTS = true

.PHONY: help setup demo lab node front front-built browser pictures binder test lint types slurm-up slurm-down bench bench-broker chaos constraints clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/.complete  ## install the package and all that its tests need into .venv

.venv/.complete: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "qhub_ext needs Python 3.11 or newer; $$($(PYTHON) --version) was found. Name another with: make PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "python3-venv is missing: installing it with apt-get"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null \
	  || { echo "It could not be installed. Ask an administrator for: apt-get install python3-venv"; exit 2; }; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[demo]' --group test --group browser --group bench
	@touch $@

demo: setup  ## run notebooks/01-first-job.ipynb in a real kernel and print its table
	$(BIN)/python notebooks/run.py notebooks/01-first-job.ipynb

node: setup
	@command -v npm >/dev/null || $(BIN)/npm --version >/dev/null 2>&1 || $(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt --group node

front: node  ## check and build the front end, as far as its sources changed, and link it into .venv
	$(BIN)/python labextension/front.py

front-built: node
	$(BIN)/python labextension/front.py build

lab: front-built  ## open JupyterLab on the notebooks, with the demo's site and jobs (more options: make lab ARGS="--port 9000")
	$(BIN)/python notebooks/lab.py $(ARGS)

browser: front  ## the tests in a real browser and on a real hub; installs Debian's chromium where it is missing
	@command -v chromium >/dev/null || { \
	  echo "chromium is missing: installing it with apt-get"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null \
	  || { echo "It could not be installed. Ask an administrator for: apt-get install chromium fonts-dejavu-core"; exit 2; }; }
	$(BIN)/python -m pytest tests/browser $(ARGS)

pictures: front-built  ## make the pictures of the README anew, in docs/
	$(BIN)/python docs/pictures.py

binder: front-built  ## carry out binder/ in a fresh environment, and run notebook 01 there in Chromium (minutes; not in `make test`)
	$(BIN)/python binder/check.py $(ARGS)

lint: setup  ## ruff, and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup  ## mypy on the package
	$(BIN)/mypy

test: setup lint types front  ## all tests, side by side (more at once: make test WORKERS=4)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder
	@$(MAKE) --no-print-directory browser

slurm-up: setup  ## a real Slurm on this machine to try things on (root; installs Debian's packages); prints what to export
	$(BIN)/python -m tests.slurm up

slurm-down: setup  ## takes it down again
	$(BIN)/python -m tests.slurm down

chaos: setup  ## kill broker, helper, virtual QPU and client 300 times over 2,000 tasks: each ends once with all its shots
	QHUB_CHAOS=full $(BIN)/python -m pytest tests/broker/test_chaos.py -s

bench-broker: setup  ## the broker's benchmarks alone: policy, decisions, overhead beside dask.distributed; with Slurm also device use
	$(BIN)/python -m tests.benchmarks --only broker --only hybrid

bench: setup  ## the benchmarks side by side with their peers; rewrites the table in tests/benchmarks/README.md
	$(BIN)/python -m tests.benchmarks

constraints: setup  ## take newer versions of everything into constraints.txt
	$(BIN)/uv pip compile --python $(BIN)/python --universal --upgrade --no-header --no-annotate --all-extras --group test --group browser --group node --group bench --output-file constraints.txt pyproject.toml

clean:  ## remove what the other targets made
	rm -rf .venv .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache labextension/node_modules labextension/lib qhub_ext/labextension
