# make run: trade on the embedded exchange.  make test: everything CI checks.
# make soak: two simulated weeks of bad days, one in which windows are paid, three days in which nothing fails,
# thousands of cycles in which no limit may be broken, 300 kills, and every fault at every step; two hours or so.
# PYTHON picks the interpreter (3.10 or newer) that the virtual environment is made from.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test soak format clean

run: .venv/.run-installed
	$(BIN)/python market_bot.py

test: .venv/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 3 --dist worksteal

soak: .venv/.test-installed
	$(BIN)/python -m tests.soak --days 14
	$(BIN)/python -m tests.soak --days 7 --paid
	$(BIN)/python -m tests.soak --days 3 --still
	$(BIN)/python -m tests.limits --cycles 1000
	$(BIN)/python -m tests.kills --times 300
	$(BIN)/python -m tests.matrix --all

format: .venv/.test-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed, this is %d.%d: say make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.run-installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/.test-installed: requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ .venv/.run-installed
