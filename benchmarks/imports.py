"""What `import clients` takes beside the packages under it: `python -m benchmarks.imports [--rounds N]`.

Prints milliseconds of two pairs: the client beside the three packages by their bare names, and the client with
what signs for it beside the three with those parts of cryptography that sign and load keys. Each import is that of
a new interpreter that finds every module compiled, as any start but the first does: what Python keeps of them goes
to a folder of this run, and everything is imported once before the rounds begin, however the machine is set up.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.progress import progress

PROJECT = Path(__file__).resolve().parents[1]
REQUIRED = 1.15

PACKAGES = "import requests, cryptography, dotenv"
SIGNING_PARTS = (
    "from cryptography.exceptions import UnsupportedAlgorithm; "
    "from cryptography.hazmat.primitives import hashes, serialization; "
    "from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa"
)
STATEMENTS = {
    "import clients": "import clients",
    PACKAGES: PACKAGES,
    "import clients, exchange.signing": "import clients, exchange.signing",
    "the three, with what signs and loads keys": f"{PACKAGES}; {SIGNING_PARTS}",
}
"""By name: ours and theirs, and ours and theirs again."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each (default 15)")
    rounds = parser.parse_args().rounds
    took = _measure(rounds)
    print(
        f"Imports, each in a new interpreter that is up already, all compiled before: medians of {rounds} rounds,"
        "\nin turns. The factors are our time by theirs in the same round: medians of those.\n"
    )
    names = list(STATEMENTS)
    for ours, theirs in zip(names[::2], names[1::2], strict=True):
        factor = statistics.median(a / b for a, b in zip(took[ours], took[theirs], strict=True))
        print(f"{ours:46}{statistics.median(took[ours]):8.1f} ms")
        print(f"{theirs:46}{statistics.median(took[theirs]):8.1f} ms{'ours is':>15}{factor:8.3f} x")
    print(
        f"\nRequired: at most {REQUIRED} x the three packages. What signs is on neither side of the first pair, as"
        "\nthe bare name cryptography loads next to nothing of it, and on both of the second; dotenv is on theirs"
        "\nonly."
    )


def _measure(rounds: int) -> dict[str, list[float]]:
    """Milliseconds, by name and round."""
    took: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    order = list(STATEMENTS)
    with tempfile.TemporaryDirectory() as compiled:
        environment = os.environ | {"PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for statement in STATEMENTS.values():
            _import(statement, environment)
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            for name in order:
                took[name].append(_import(STATEMENTS[name], environment))
            order.append(order.pop(0))  # nobody is always the one after the slowest
    progress("")
    return took


def _import(statement: str, environment: dict[str, str]) -> float:
    program = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout) * 1000


if __name__ == "__main__":
    main()
