"""The endpoint matrix of `tests/slow/endpoints.py`, a sample; and that it would see what it says it sees.

One endpoint that answers 501 for ever may keep a bot from quoting at all, or make it take a gift for a reward.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulator import order_entry
from simulator.faults import MISSING
from simulator.matching import CONTRACT
from simulator.opening import CUSTOMER
from tests.slow import endpoints
from tests.support.endpoint_run import ALL, ENDPOINTS, HEALTHY, PHASES, EndpointStage, Episode
from trade import OWN_PREFIX

NOT_READ = ["trades"]
"""Endpoints that the bot never asks."""


@pytest.mark.parametrize("name", endpoints.NAMES)
def test_one_missing_endpoint_does_not_keep_the_bot_from_quoting(name: str, tmp_path: Path) -> None:
    """No limit is exceeded and no reward imagined meanwhile. All is back when the endpoint is."""
    cells = [cell for cell in endpoints.sample() if cell.endpoint == name]
    tally = endpoints.try_all(cells, tmp_path)
    print("\n".join(["", *tally.table(), *tally.thin(), tally.totals()]))
    assert tally.broken() == []
    assert tally.not_struck() == (cells if name in NOT_READ else [])


def test_the_sample_has_every_endpoint_and_every_wrong_answer() -> None:
    cells = endpoints.sample()
    assert {cell.endpoint for cell in cells} == {*ENDPOINTS, ALL}
    assert {(cell.kind, cell.phase) for cell in cells} == {(kind, phase) for kind in MISSING for phase in PHASES}


# -- what the matrix would see ---------------------------------------------------------------------------------


def nothing(stage: EndpointStage) -> None:
    pass


def a_quote_without_a_group(stage: EndpointStage) -> None:
    ours = next(one for one in stage.opening_quotes() if one.is_bid)
    terms = order_entry.OrderTerms(ours.ticker, True, ours.price - 100, 6 * CONTRACT, f"{OWN_PREFIX}alone")
    order_entry.create(stage.exchange, CUSTOMER, terms)


def a_gift_in_two_parts(stage: EndpointStage) -> None:
    stage.account.book(stage.exchange.now, 0, 2_000_000, "gift", "")


def the_quotes_are_gone(stage: EndpointStage) -> None:
    """The board loses its programs, and the bot has nothing to quote."""
    stage.exchange.programs.clear()


@pytest.mark.parametrize(
    ("done", "seen"),
    [
        (nothing, ""),
        (a_quote_without_a_group, "contracts rest on shard 0 without an order group"),
        (a_gift_in_two_parts, "called unexplained"),
        (the_quotes_are_gone, "no quote rests"),
    ],
)
def test_what_may_never_be_is_seen(done: Callable[[EndpointStage], None], seen: str, tmp_path: Path) -> None:
    stage = EndpointStage(tmp_path, HEALTHY[1])
    stage.know_balance()

    stage.move_cash, moved = lambda: (moved(), done(stage)), stage.move_cash  # type: ignore[method-assign,assign]
    stage.play(Episode(stage, HEALTHY[1]).direct())
    stage.close()
    assert any(seen in what for what in stage.broken) if seen else stage.broken == []
