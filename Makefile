# make demo [DATA=dir] [SEED=n] [VISIT=n]   the main job, from exposures to a picture of the coadd
# make test                                 all tests, with linter and type checker

PYTHON ?= python3
VENV ?= .venv
SEED ?= 1

.PHONY: demo test clean

demo: $(VENV)/.installed-demo
	$(VENV)/bin/pipetask demo demo --seed $(SEED) $(if $(DATA),--data "$(DATA)") $(if $(VISIT),--visit $(VISIT))

test: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -n 2

$(VENV)/.installed-%: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable ".[$(if $(filter test,$*),test,viz)]"
	touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info
