# make demo | make test | make lab: each makes .venv on first use. PYTHON=python3.12 picks another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test lab clean

demo: $(VENV)/.installed-grading
	$(BIN)/course demo

test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 COURSE_PROFILE=ci $(BIN)/python -m pytest
	OMP_NUM_THREADS=1 COURSE_PROFILE=ci $(BIN)/python -m pytest --nbval-lax --nbval-cell-timeout=600 solutions

lab: $(VENV)/.installed-grading
	$(BIN)/jupyter lab notebooks

$(VENV)/.installed-%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) demo-class
