"""A simulated day of the whole bot, beside a simulator in a process of its own: what the ledger says in the end is
what the exchange says. `make soak` does the same for three days, with a cycle a minute.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.people import EVERYBODY
from tests import soak

FIVE_MINUTES = {"WAIT_TIME": 300}
"""A day of cycles of a minute takes five times as long, and is no harder."""


def test_a_day_with_fills_faults_and_two_kills_ends_with_the_exchanges_own_numbers(tmp_path: Path) -> None:
    outcome = soak.run(tmp_path, kills=2, **FIVE_MINUTES)
    print(f"\n{outcome.told()}")
    assert outcome.sessions == 3
    assert len(outcome.said["fills"]) > 20
    assert outcome.said == outcome.true
    assert outcome.seconds.present == pytest.approx(outcome.truly_present, rel=0.01)
    assert outcome.off <= 0.02, "an estimate that flatters"
    assert outcome.seconds.unknown > 0
    assert outcome.bytes < 20e6 / 7


def test_a_day_on_which_nobody_else_moves_accrues_what_each_window_earns(tmp_path: Path) -> None:
    everybody = ",".join(EVERYBODY)
    outcome = soak.run(tmp_path, kills=0, faults=False, without=everybody, **FIVE_MINUTES)
    print(f"\n{outcome.told()}")
    assert outcome.said == outcome.true
    assert outcome.seconds.present == pytest.approx(outcome.truly_present, rel=0.01)
    assert outcome.seconds.unknown == 0
    assert outcome.truly_earned > 1
    for said, true in outcome.windows.values():
        assert said == pytest.approx(true, rel=0.01, abs=1e-6)
