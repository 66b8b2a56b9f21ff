# `make` lists the targets. Everything runs in .venv, which `make setup` creates and every target needs.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# The stamp carries the content of what is installed: a repeat is instant, a change installs again.
READY := $(VENV)/.ready-$(shell cat pyproject.toml setup.py Makefile | cksum | cut -d ' ' -f 1)
CHECKED := evalsuite tasks tests benchmarks leaderboards setup.py
# Threads of several test processes on the same cores only wait for one another.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile
EVALSUITE := $(BIN)/evalsuite

TASK ?=
BACKBONE ?=
WEIGHTS ?=
DATA ?=
SPLIT ?=
LIMIT ?=
SET ?=
ARGS ?=

options = $(if $(BACKBONE),--backbone "$(BACKBONE)") $(if $(WEIGHTS),--weights "$(WEIGHTS)") \
	$(if $(DATA),--data "$(DATA)") $(if $(SPLIT),--split "$(SPLIT)") $(if $(LIMIT),--limit "$(LIMIT)") \
	$(foreach setting,$(SET),--set "$(setting)") $(ARGS)

.PHONY: help
help:
	@echo "make TARGET; targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(READY) ## create .venv and install everything into it (about 7 GB with torch's GPU libraries)
	@echo "$(VENV) is ready"

.PHONY: eval
eval: task-named $(READY) ## fine-tune and evaluate: TASK= (or all) [BACKBONE= WEIGHTS= DATA= SPLIT= LIMIT= SET="key=value ..."]
	$(EVALSUITE) eval $(TASK) $(options)

# Before the installation, which takes minutes.
.PHONY: task-named
task-named:
	@$(if $(TASK),,echo "name a task: make eval TASK=vqa" >&2; exit 2)

.PHONY: radar
radar: $(READY) ## draw the published radar as radar.svg, with your runs: [RUNS="runs/..."]
	$(EVALSUITE) radar $(RUNS) -o radar.svg

.PHONY: tables
tables: $(READY) ## write every paper table as Markdown and LaTeX below tables/, with your runs: [RUNS="runs/..."]
	@for name in $$($(EVALSUITE) table); do mkdir -p tables/$$(dirname $$name); \
	    $(EVALSUITE) table $$name $(RUNS) > tables/$$name.md; \
	    $(EVALSUITE) table $$name $(RUNS) --format latex > tables/$$name.tex; done; ls -d tables/*

.PHONY: report
report: $(READY) ## write runs as Markdown, JSON, one page and a model card below report/: RUNS="runs/..."
	$(EVALSUITE) report $(RUNS) -o report

.PHONY: reproduce
reproduce: $(READY) ## measure what a paper prints, in small without DATA=: PAPER=beit3 [DATA=]
	$(EVALSUITE) reproduce $(PAPER) $(if $(DATA),--data "$(DATA)") $(ARGS)

.PHONY: bench
bench: $(READY) ## speed and memory against the official engines
	$(BIN)/python benchmarks/scorers.py

.PHONY: tinyworld-table
tinyworld-table: $(READY) ## what pretraining buys on every task: docs/tinyworld.md, its radar; resumes where it stopped: [ARGS="--tune"]
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/tinyworld.py $(ARGS)

.PHONY: check
check: $(READY) ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CHECKED)

.PHONY: test
test: $(READY) ## the tests, on all cores; ARGS= goes to pytest
	$(TEST) $(ARGS)

.PHONY: test-all
test-all: $(READY) ## the tests with the slow ones
	$(TEST) -m "not gpu" $(ARGS)

.PHONY: clean
clean: ## remove .venv and what tools left; runs and data stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# torchscale is the tests' oracle; its own dependencies pin old versions and are not needed.
$(READY): export PIP_DISABLE_PIP_VERSION_CHECK = 1
$(READY):
	@python=; for name in $(PYTHON) python3.12 python3.11 python3.13 python3 python; do \
	    if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "no Python 3.11 or newer on PATH; install one, or name it: make PYTHON=/path/to/python3" >&2; \
	    exit 2; fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$python lacks the venv module; on Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 2; fi; \
	echo "installing into $(VENV) with $$("$$python" --version); some minutes on first use"; \
	[ -x $(BIN)/pip ] || "$$python" -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[train,official,track,dev]'
	$(BIN)/pip install --quiet --no-deps 'torchscale==0.3.0'
	@rm -f $(VENV)/.ready-*; touch $@
