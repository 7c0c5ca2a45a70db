# make reproduce [STUDY=params/default.yaml] [COHORT=films/manifest.csv] [SET="section.key=value …"]
# make check     [STUDY=…] [COHORT=…] [PIXELS=yes]    what is wrong with a study file and its radiographs, before anything runs
# make test-slow simulations of the statistics and other long tests
# make test      all but long tests   make lint    style of code and notebooks
# make lab       JupyterLab       make bench   speeds on this machine
#
# Each makes the environment .venv first, where it is missing or older than its pins.

PYTHON ?= python3.11
STUDY ?= params/default.yaml
COHORT ?=
PIXELS ?=
SET ?=

FORAMEN = .venv/bin/foramen
OPTIONS = $(STUDY) $(if $(COHORT),--cohort "$(COHORT)") $(foreach value,$(SET),--set "$(value)")

.PHONY: reproduce check test test-slow lint lab bench

reproduce: .venv/ready
	$(FORAMEN) run $(OPTIONS)

check: .venv/ready
	$(FORAMEN) check $(OPTIONS) $(if $(PIXELS),--pixels)

test: .venv/ready
	.venv/bin/pytest -n 2 --dist loadfile

test-slow: .venv/ready
	.venv/bin/pytest -m slow

lint: .venv/ready
	.venv/bin/ruff check
	.venv/bin/nbstripout --verify --keep-id notebooks/*.ipynb

lab: .venv/ready
	$(FORAMEN) lab

bench: .venv/ready
	PYTHONPATH=tests .venv/bin/python -m benchmarks

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch .venv/ready
