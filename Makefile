# Everything a person does with this folder. Each target does its own set-up and is quick the second time.
#
#   make install    a .venv with the `landbridge` command
#   make demo       join a real city and show it (CITY=binhai|takamatsu|redding, PORT=8350); Ctrl-C ends it
#   make test       style, types, import law and all tests (NO_SYSTEM=1: install nothing outside this folder)

SHELL := /bin/sh
CITY ?= binhai
PORT ?= 8350
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)
BIN := .venv/bin

.PHONY: help install demo test lint format bench crash fuzz web wheel docs lock clean

help:
	@sed -n 's/^#   //p' Makefile
	@echo 'make lint       style, types and import law alone'
	@echo 'make format     put the code into the house style'
	@echo 'make bench      measure the figures of docs/measured'
	@echo 'make crash      kill pulls at random moments and look for loss (long)'
	@echo 'make fuzz       search for input that breaks a reader (FUZZ_MINUTES=60)'
	@echo 'make web        build the console'"'"'s scripts and styles'
	@echo 'make wheel      build a wheel that users need Python alone for'
	@echo 'make docs       bring the tables of docs/ to what the code says'
	@echo 'make lock       renew the pinned versions in requirements/'

.python:
	@if [ -z '$(PYTHON)' ]; then echo 'Landbridge needs Python 3.11 or newer, and none is found. Name it: make install PYTHON=/path/to/python3' >&2; exit 1; fi

.PHONY: .python

install: .python
	@$(PYTHON) scripts/install.py

demo: install
	@exec $(BIN)/landbridge demo $(CITY) --port $(PORT)

test: .python
	@$(PYTHON) scripts/install.py --tests
	@exec $(BIN)/python scripts/check.py style types law tests

lint: .python
	@$(PYTHON) scripts/install.py --tests --no-web
	@exec $(BIN)/python scripts/check.py style types law

format: .python
	@$(PYTHON) scripts/install.py --tests --no-web
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format .

bench: .python
	@$(PYTHON) scripts/install.py --tests
	@exec $(BIN)/python scripts/check.py bench

crash: .python
	@$(PYTHON) scripts/install.py --tests
	@exec $(BIN)/python scripts/check.py crash

fuzz: .python
	@$(PYTHON) scripts/install.py --tests
	@exec $(BIN)/python scripts/check.py fuzz

web: .python
	@$(PYTHON) scripts/install.py
	@exec $(BIN)/python scripts/web.py

wheel: .python
	@$(PYTHON) scripts/install.py
	@exec $(BIN)/python -m pip wheel -q --no-deps --no-build-isolation -w dist .

docs: .python
	@$(PYTHON) scripts/install.py --no-web
	@exec $(BIN)/python scripts/docs.py

lock: .python
	@$(PYTHON) scripts/install.py --no-web
	@exec $(BIN)/python scripts/lock.py

clean:
	rm -rf .venv .demo build dist web/node_modules src/landbridge/console/static .mypy_cache .ruff_cache .pytest_cache
