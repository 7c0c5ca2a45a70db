# make reproduce [STUDY=params/default.yaml] [SET="section.key=value …"]
# make reproduce COHORT=films/manifest.csv [STUDY=params/own_films.yaml] [SET=…]      the same on your own radiographs
# make check     [STUDY=…] [COHORT=…] [PIXELS=yes]    what is wrong with a study file and its radiographs, before anything runs
# make test-slow simulations of the statistics and other long tests
# make test      all but long tests   make lint    style, spelling and types of code and notebooks
# make lab       JupyterLab           make bench   speeds on this machine
# make site      README, docs, reports and case explorers as one folder of pages, site/, for any web server
# make doctor    what this machine lacks, with the remedy
# make lock      fits the pins in requirements.txt to pyproject.toml (UPGRADE=yes: to the newest that it allows)
#
# Each but `doctor` makes the environment .venv first, where it is missing or older than its pins.

PYTHON ?= python3.11
COHORT ?=
STUDY ?= $(if $(COHORT),params/own_films.yaml,params/default.yaml)
PIXELS ?=
SET ?=
UPGRADE ?=

FORAMEN = .venv/bin/foramen
OPTIONS = $(STUDY) $(if $(COHORT),--cohort "$(COHORT)") $(foreach value,$(SET),--set "$(value)")

.PHONY: reproduce check test test-slow lint lab bench site doctor lock

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
	.venv/bin/ruff format --check
	.venv/bin/nbstripout --verify --keep-id notebooks/*.ipynb
	.venv/bin/codespell
	.venv/bin/mypy

lab: .venv/ready
	$(FORAMEN) lab

bench: .venv/ready
	PYTHONPATH=tests .venv/bin/python -m benchmarks

site: .venv/ready
	rm -rf site
	$(FORAMEN) site site

doctor:
	@python3 lib/foramen/workflow/doctor.py $(PYTHON)

lock: .venv/ready
	.venv/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11.5 --generate-hashes \
		--quiet --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) --output-file requirements.txt

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; \
		sys.exit(not (3, 11, 5) <= sys.version_info[:3] < (3, 14) and "Python 3.11.5 to 3.13 is needed: make PYTHON=/its/path")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch .venv/ready
