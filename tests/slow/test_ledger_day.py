"""A simulated day of the whole bot, beside a simulator in a process of its own, and two in which it waits for its
rewards: what the ledger and the report say in the end is what the exchange says, and nothing grows that should
not. `make soak` does the same for weeks, with a cycle a minute.
"""

from __future__ import annotations

from pathlib import Path

from tests.slow import soak

TEN_MINUTES = {"WAIT_TIME": 600, "WATCH_TIME": 120}
"""With a cycle a minute a day takes minutes, and is easier: less happens between two looks."""


def test_a_day_with_faults_and_kills_ends_with_true_numbers(tmp_path: Path) -> None:
    """After a day with fills, faults and two kills, the report has the exchange's own numbers. Cash without an
    explanation is not counted as a reward."""
    outcome = soak.run(
        tmp_path, kills=2, seed=3, looking_on=2, **{**soak.PAID, "WAIT_TIME": 1200, "WATCH_TIME": 240}
    )
    print(f"\n{outcome.told()}")
    assert outcome.wrong(still=False) == []
    assert outcome.sessions == 4
    assert len(outcome.said["fills"]) > 20
    assert outcome.seconds.unknown > 0, "after a kill nobody knows"
    assert outcome.truly_earned > 0
    assert outcome.credited > 0
    assert outcome.said["unexplained"] > 40, "what nobody explains is no reward"


def test_six_still_hours_accrue_what_each_window_earns(tmp_path: Path) -> None:
    """If no other trader moves for six hours, no second is unknown and the accrued rewards are those of the
    exchange."""
    outcome = soak.run(tmp_path, days=0.25, still=True, **TEN_MINUTES)
    print(f"\n{outcome.told()}")
    assert outcome.wrong(still=True) == []
    assert outcome.seconds.unknown == 0
    assert outcome.truly_earned > 0.15
