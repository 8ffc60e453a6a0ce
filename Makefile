# Assay. `make help` explains each target; every target sets up what it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PAPER ?=
SCALE ?= desk
EXPERIMENT ?=
SEEDS ?=
LOOKS ?=
MINUTES ?=
LAUNCHER ?= local
WORKERS ?= 0
PROFILE ?= default
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
ASSAY := $(PY) -m assay
READY := $(VENV)/.ready
UV_VERSION := 0.13.9
need_paper = $(if $(PAPER),,$(error PAPER is not set; try: make $@ PAPER=lion_k))

.PHONY: help setup reproduce status report list board publish test test-slurm lint format bench lock clean

help: ## show this help
	@echo "make reproduce PAPER=lion_k     does everything for one paper; the other targets:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r t d; do printf '  %-12s %s\n' "$$t" "$$d"; done
	@echo "variables: PAPER SCALE=desk|smoke|paper EXPERIMENT SEEDS LOOKS MINUTES LAUNCHER=local|slurm PROFILE WORKERS ARGS='--dry-run'"

setup: $(READY) ## make the virtual environment from the lock (about a minute; nothing when nothing changed)

$(READY): requirements.lock pyproject.toml
	@bash scripts/setup.sh "$(VENV)" "$(UV_VERSION)"

reproduce: $(READY) ## run what is missing of PAPER, judge its claims, write its page
	@$(need_paper)bash scripts/install_data.sh
	@$(ASSAY) reproduce $(PAPER) --scale $(SCALE) --launcher $(LAUNCHER) --profile $(PROFILE) --workers $(WORKERS) $(if $(EXPERIMENT),-e $(EXPERIMENT)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(LOOKS),--looks $(LOOKS)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

status: $(READY) ## how far each paper is, or the experiments of PAPER
	@$(ASSAY) status $(PAPER) --scale $(SCALE) $(ARGS)

report: $(READY) ## judge and draw PAPER from the records that are there
	@$(need_paper)$(ASSAY) report $(PAPER) --scale $(SCALE) $(ARGS)

list: $(READY) ## the papers
	@$(ASSAY) list $(ARGS)

board: $(READY) ## the board over all papers: reports/index.html and the table in README.md
	@$(ASSAY) board

publish: $(READY) ## write PAPER's complete results to papers/PAPER/results and update the READMEs
	@$(need_paper)$(ASSAY) publish $(PAPER) --scale $(SCALE)

test: $(READY) ## all tests but those on a real Slurm
	@bash scripts/install_data.sh
	@$(PY) -m pytest -n auto --dist worksteal --ignore=tests/slurm $(ARGS)

test-slurm: $(READY) ## the tests on a real Slurm that they start on this machine; most of their time is waiting
	@$(PY) -m pytest -n auto --dist worksteal $(ARGS) tests/slurm

lint: $(READY) ## format, rules, types, and the direction of imports
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

format: $(READY) ## format the code and fix what can be fixed
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

bench: $(READY) ## measure Assay's own cost against bare loops; writes benchmarks/latest.json
	@bash scripts/install_data.sh
	@$(PY) -m benchmarks.run $(ARGS)

lock: $(READY) ## resolve the dependencies anew into requirements.lock
	@$(VENV)/bin/uv pip compile pyproject.toml --extra dev --generate-hashes --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --upgrade -q -o requirements.lock

clean: ## delete the environment, caches and reports (not outputs/)
	rm -rf $(VENV) reports .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
