# What stands after ## is what `make help` tells of a target.
# PYTHON picks the interpreter (3.10 or newer) that the virtual environment is made from.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run status report doctor test quick soak format lock clean help

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

quick: .venv/.test-installed  ## the same without the slow tests and the types; a few minutes
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

lock: .venv/.test-installed  ## renew requirements.lock, after a change of requirements.txt or for newer packages
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --only-binary :all: \
	  --emit-build-options --generate-hashes --custom-compile-command "make lock" \
	  --output-file requirements.lock requirements.txt

clean:  ## remove the virtual environment and the caches
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed, this is %d.%d: say make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# Each file must have a hash that the lock lists, and nothing is built here: build tools have no hashes.
.venv/.run-installed: requirements.lock | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock || { \
	  echo 'make: the packages could not be installed, so nothing was started. pip says why, above. No connection:' \
	  'check the network or the proxy, then try again. Hashes that do not match: a file is not the one that was' \
	  'tested, do not install it. More: docs/troubleshooting.md#packages' >&2; exit 1; }
	@touch $@

.venv/.test-installed: requirements-dev.txt .venv/.run-installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
