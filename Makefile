# What stands after ## is what `make help` tells of a target.
# PYTHON picks the interpreter (3.10 or newer) that the virtual environment is made from.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run status report doctor test quick soak format clean help

run: .venv/.run-installed  ## start the bot, on the embedded exchange as shipped; Ctrl-C stops it
	@$(BIN)/python -m runtime.preflight
	$(BIN)/python market_bot.py

status: .venv/.run-installed  ## show what the account has and what its bot does
	$(BIN)/python main.py status

report: .venv/.run-installed  ## tell what the bot did and what it earned
	$(BIN)/python main.py report

doctor: .venv/.run-installed  ## check what a first run needs
	$(BIN)/python main.py doctor

test: .venv/.test-installed  ## everything that CI checks: lint, types and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 3 --dist loadgroup

quick: .venv/.test-installed  ## the same without the slow tests and the types; a minute or so
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest --numprocesses 3 --dist loadgroup -m "not slow"

# Two simulated weeks of bad days, one in which windows are paid, three days in which nothing fails, thousands of
# cycles in which no limit may be broken, 300 kills, every fault at every step, every endpoint missing, and days of a
# quoter that must lose.
soak: .venv/.test-installed  ## the long tests; two hours or so
	$(BIN)/python -m tests.slow.soak --days 14
	$(BIN)/python -m tests.slow.soak --days 7 --paid
	$(BIN)/python -m tests.slow.soak --days 3 --still
	$(BIN)/python -m tests.slow.limits --cycles 1000
	$(BIN)/python -m tests.slow.kills --times 300
	$(BIN)/python -m tests.slow.matrix --all
	$(BIN)/python -m tests.slow.endpoints --all
	$(BIN)/python -m tests.slow.calibration
	$(BIN)/python -m tests.slow.reward_months
	$(BIN)/python -m tests.slow.tight_cash

format: .venv/.test-installed  ## lint and format the code in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the virtual environment and the caches
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed, this is %d.%d: say make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.run-installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/.test-installed: requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ .venv/.run-installed
