# make demo   the whole pipeline on simulated microscopy, from an empty machine to a report
# make test   the tests
# Both make the environment (.venv) first; only Python >= 3.11 and make are needed.

PYTHON ?= python3
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
LOCK := envs/requirements.txt

.PHONY: demo demo-cluster test test-slow test-cluster coverage env config lint format lock clean

demo: env
	$(BIN)/snakemake --cores $(CORES)
	@PYTHONPATH=workflow/scripts $(BIN)/python -m pssrflow.report.verdict results

test: env lint
	$(BIN)/pytest -m "not slow and not cluster" --numprocesses auto --dist worksteal
	@echo "The tests passed. Slow faults and scale: make test-slow. The demo: make demo"

test-slow: env
	$(BIN)/pytest -m slow --numprocesses auto --dist worksteal

# On a SLURM and a Grid Engine of one machine, which are installed and started; skipped with a reason without root or Debian.
test-cluster: env
	$(BIN)/pytest -m cluster

# The demo through it.
demo-cluster: env
	$(BIN)/python tests/slurm_node.py up
	$(BIN)/snakemake --profile workflow/profiles/slurm
	@PYTHONPATH=workflow/scripts $(BIN)/python -m pssrflow.report.verdict results

# Which lines the tests run; of the core, with those in jobs of Snakemake.
coverage: env
	$(BIN)/pytest -m "not slow and not cluster" --numprocesses auto --dist worksteal --cov --cov-report term

env: $(VENV)/.installed

$(VENV)/.installed: $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "PSSRflow needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Say which: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement $(LOCK)
	@touch $@

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

# After a change of a key: config.yaml and the schemas for editors are made of the settings.
config: env
	PYTHONPATH=workflow/scripts $(BIN)/python -m pssrflow.config.write

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules

# After a change of envs/requirements.in: pins everything anew, for pip and for conda.
lock:
	$(PYTHON) envs/lock.py

clean:
	rm -rf results .snakemake
