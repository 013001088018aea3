# make demo [DATA=dir] [SEED=n] [VISIT=n]   the main job, from exposures to a picture of the coadd
# make test                                 all tests, with linter and type checker
# make trust [TRUST_SEED=n]                 kills, hostile input, load and fuzzing in full; writes docs/trust_log.md

PYTHON ?= python3
VENV ?= .venv
SEED ?= 1
comma := ,

.PHONY: demo test trust clean

demo: $(VENV)/.installed-demo
	$(VENV)/bin/pipetask demo demo --seed $(SEED) $(if $(DATA),--data "$(DATA)") $(if $(VISIT),--visit $(VISIT))

test: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal

trust: $(VENV)/.installed-test
	TRUST=1 $(VENV)/bin/python tests/trust_run.py

$(VENV)/.installed-%: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable ".[$(if $(filter test,$*),test$(comma)peer,viz)]"
	# LSST's package has a command of our name; ours goes over it.
	$(VENV)/bin/python -m pip install --quiet --no-deps --force-reinstall --editable .
	touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info
