# Two commands do everything; the third is the quick part of the second:
#   make paper   environment, stale analyses, site and PDF    (first time: some minutes, about 3 GB of disk)
#   make test    tests, and what make check does              (about 10 minutes once the environment stands)
#   make check   ruff, type checker, lint of the paper, committed results held against each other    (a minute)

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Files of tests that run at a time, each on one core; each may hold models of a gigabyte and more.
JOBS   ?= 2

.PHONY: paper test check environment clean help

help:
	@sed -n 's/^#   //p' $(MAKEFILE_LIST)

# Quarto is used when it is on PATH, the built-in engine otherwise; the summary at the end says which.
paper: environment
	$(BIN)/mechscope render --all-runs

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

check: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mechscope lint
	$(BIN)/mechscope verify --quick

environment: $(STAMP)

# The stamp is touched last: an interrupted installation is taken up again. torch comes first and alone, because its
# exact version decides whether gigabytes of CUDA libraries are pulled in by whatever is resolved before it.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit(f"mechscope needs Python 3.11 or newer; $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@echo "Installing the environment into $(VENV) (once; about 3 GB, two to five minutes) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
	@touch $(STAMP)

clean:
	rm -rf $(VENV) _site .mechscope paper/_generated
