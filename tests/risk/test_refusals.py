"""Markets that keep refusing orders: which refusals count, and for how long a market loses its slot."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import ExchangeError, NotSent, Unreadable, error_for_status
from exchange.orderbook import NO, YES
from risk.gate import Place, RefusalCode
from risk.refusals import (
    FIRST,
    FORGOTTEN,
    LONGEST,
    MARKETS_OWN,
    REFUSED_CYCLES,
    MarketAside,
    Refusals,
    is_markets_own,
)
from tests.support.builders import NOW

MINUTE = timedelta(minutes=1)
A_YES, A_NO, B_YES = ("KXA-1", YES), ("KXA-1", NO), ("KXB-1", YES)
BOTH = {"KXA-1", "KXB-1"}


class Cycles:
    """Cycles a minute apart, in which orders are refused or taken."""

    def __init__(self) -> None:
        self.refusals, self.now = Refusals(MINUTE), NOW

    def run(self, *refused: Place, taken: set[Place] | None = None, quoted: set[str] = BOTH,
            paid: set[str] | None = None) -> list[MarketAside]:  # fmt: skip
        self.now += MINUTE
        why = dict.fromkeys(refused, "400 invalid_price")
        return self.refusals.on_cycle(why, taken or set(), quoted, (paid or set()).__contains__, self.now)

    def until_aside(self, *refused: Place) -> MarketAside:
        for _ in range(REFUSED_CYCLES - 1):
            assert self.run(*refused) == []
        (aside,) = self.run(*refused)
        return aside


# -- which refusals count --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_price"), (400, "invalid_order_size"), (400, "invalid_order"), (400, "bad_request"),
        (400, "market_not_found"), (404, "market_not_found"), (409, "market_closed"), (409, "market_inactive"),
        (409, "exceeded_per_market_risk_limit"), (400, "self_cross_attempt"), (400, "order_rejected"),
        (422, "a_code_of_tomorrow"), (400, ""), (404, "not_found"), (404, ""),
    ],
)  # fmt: skip
def test_a_refusal_by_the_market_counts(status: int, code: str) -> None:
    assert is_markets_own(error_for_status("POST /x", status, code, "", ""))


@pytest.mark.parametrize(
    ("status", "code", "details"),
    [
        (429, "", ""), (429, "too_many_requests", ""), (500, "internal_server_error", ""),
        (503, "service_unavailable", ""), (401, "authentication_error", ""), (403, "permission_denied", ""),
        (400, "insufficient_balance", ""), (400, "available_balance_too_low", ""), (409, "trading_is_paused", ""),
        (409, "exchange_is_paused", ""), (409, "exceeded_order_group_risk_limit", ""),
        (400, "order_group_not_found", ""), (400, "invalid_order", "order group is triggered"),
        (409, "order_already_exists", ""),         (302, "found", ""), (301, "", ""),
    ],
)  # fmt: skip
def test_a_refusal_for_another_reason_does_not_count(status: int, code: str, details: str) -> None:
    """Cash, pauses, rate limits, the key and order groups are no market's fault."""
    assert not is_markets_own(error_for_status("POST /x", status, code, "", details))


@pytest.mark.parametrize("error", [NotSent("POST /x", "no network"), Unreadable("POST /x", "no id", "KXA-1")])
def test_an_order_that_was_not_answered_was_not_refused(error: ExchangeError) -> None:
    assert not is_markets_own(error)


def test_no_limit_of_ours_and_no_halt_counts() -> None:
    """Other markets' orders use limits up, and a person halts."""
    code = RefusalCode
    others = {
        code.HALT, code.EXCHANGE_STATUS, code.MARKET_STATUS, code.DUPLICATE, code.POSITION, code.ORDER_RATE,
        code.MAX_CAPITAL, code.CASH, code.FILL_LIMIT, code.MAX_EVENT_LOSS,
    }  # fmt: skip
    assert not MARKETS_OWN & others
    assert {code.GRID, code.PRICE_BOUNDS, code.SIZE, code.FORM, code.WOULD_CROSS, code.OWN_ORDER} <= MARKETS_OWN


# -- how many, and for how long --------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", [(A_YES,), (A_NO,), (A_YES, A_NO)])
def test_a_market_is_put_aside_after_a_few_refusals_in_a_row(refused: tuple[Place, ...]) -> None:
    aside = Cycles().until_aside(*refused)
    assert (aside.ticker, aside.lasts) == ("KXA-1", FIRST)
    assert f"refused in {REFUSED_CYCLES} cycles in a row" in aside.why
    assert [side.value in aside.why for side in (YES, NO)] == [A_YES in refused, A_NO in refused]
    assert "400 invalid_price" in aside.why


def test_an_order_that_is_taken_begins_the_count_again() -> None:
    """On its own side: an order that rests on the other side does not make up for it."""
    cycles = Cycles()
    for _ in range(3):
        for _ in range(REFUSED_CYCLES - 1):
            assert cycles.run(A_YES) == []
        assert cycles.run(taken={A_YES}) == []
    for _ in range(REFUSED_CYCLES - 1):
        assert cycles.run(A_YES, taken={A_NO}) == []
    assert len(cycles.run(A_YES, taken={A_NO})) == 1


def test_a_cycle_that_sends_nothing_neither_counts_nor_forgives() -> None:
    """Such as one in which cash was short."""
    cycles = Cycles()
    for _ in range(REFUSED_CYCLES - 1):
        cycles.run(A_YES)
        assert cycles.run() == []
    assert len(cycles.run(A_YES)) == 1


def test_a_refusal_does_not_count_if_the_side_has_an_order() -> None:
    cycles = Cycles()
    for _ in range(3 * REFUSED_CYCLES):
        assert cycles.run(A_YES, taken={A_YES}) == []


def test_two_markets_are_counted_apart() -> None:
    cycles = Cycles()
    cycles.run(A_YES)
    cycles.run(A_YES, B_YES)
    assert [one.ticker for one in cycles.run(A_YES, B_YES)] == ["KXA-1"]
    assert [one.ticker for one in cycles.run(B_YES)] == ["KXB-1"]


def test_all_markets_that_refuse_are_put_aside_at_once() -> None:
    cycles = Cycles()
    for _ in range(REFUSED_CYCLES - 1):
        cycles.run(A_YES, A_NO, B_YES)
    assert [one.ticker for one in cycles.run(A_YES, A_NO, B_YES)] == ["KXA-1", "KXB-1"]


def test_a_market_without_a_slot_is_not_counted() -> None:
    """Its exits are tried on. What it refused before it lost its slot is forgotten."""
    cycles = Cycles()
    for _ in range(3 * REFUSED_CYCLES):
        assert cycles.run(A_YES, quoted={"KXB-1"}) == []
    cycles.run(A_YES)
    cycles.run(A_YES, quoted=set())
    assert cycles.until_aside(A_YES).lasts == FIRST


def test_a_market_whose_other_side_is_paid_keeps_its_slot() -> None:
    cycles = Cycles()
    for _ in range(4 * REFUSED_CYCLES):
        assert cycles.run(A_YES, taken={A_NO}, paid={"KXA-1"}) == []
    (aside,) = cycles.run(A_YES, taken={A_NO})
    assert f"in {4 * REFUSED_CYCLES + 1} cycles in a row" in aside.why


def test_each_time_lasts_twice_as_long_up_to_the_longest() -> None:
    cycles = Cycles()
    lasted = [cycles.until_aside(A_YES, A_NO).lasts / MINUTE for _ in range(40)]
    assert lasted[:6] == [5, 10, 20, 40, 80, 160]
    assert set(lasted[6:]) == {LONGEST / MINUTE} == {160}


@pytest.mark.parametrize(("minutes", "lasts"), [(10, 2 * FIRST), (59, 2 * FIRST), (61, FIRST), (600, FIRST)])
def test_what_was_refused_is_forgotten_after_an_hour_of_orders(minutes: int, lasts: timedelta) -> None:
    cycles = Cycles()
    cycles.until_aside(A_YES, A_NO)
    for _ in range(minutes + 1):
        cycles.run(taken={A_YES, A_NO})
    assert timedelta(hours=1) == FORGOTTEN
    assert cycles.until_aside(A_YES, A_NO).lasts == lasts


def test_a_refusal_now_and_then_is_not_forgotten() -> None:
    """A market that takes its orders for half an hour at a time is put aside longer each time."""
    cycles = Cycles()
    lasted = []
    for _ in range(4):
        lasted.append(cycles.until_aside(A_YES).lasts)
        for _ in range(30):
            cycles.run(taken={A_YES})
    assert lasted == [FIRST * 2**times for times in range(4)]


@pytest.mark.parametrize("wait", [1, 60, 600, 3_600, 20_000])
def test_a_market_gives_up_its_slot_for_two_cycles_at_least(wait: int) -> None:
    refusals = Refusals(timedelta(seconds=wait))
    now = NOW
    for _ in range(REFUSED_CYCLES):
        now += timedelta(seconds=wait)
        found = refusals.on_cycle({A_YES: "400"}, set(), BOTH, lambda _: False, now)
    assert found[0].lasts == max(FIRST, timedelta(seconds=2 * wait))


PLACES = st.sets(st.sampled_from([A_YES, A_NO, B_YES]))


@given(st.lists(st.tuples(PLACES, PLACES, st.booleans()), max_size=60))
def test_only_three_refusals_since_the_last_order_put_aside(
    history: list[tuple[set[Place], set[Place], bool]],
) -> None:
    """Whatever happens in between, and no market that refused three times running on a side keeps its slot."""
    refusals, now = Refusals(MINUTE), NOW
    since: dict[Place, int] = {}
    for refused, taken, is_paid in history:
        now += MINUTE
        since = {place: count for place, count in since.items() if place not in taken}
        for place in refused - taken:
            since[place] = since.get(place, 0) + 1
        aside = _aside(refusals, refused, taken, is_paid, now)
        due = {place[0] for place in refused - taken if since[place] >= REFUSED_CYCLES}
        assert aside == (set() if is_paid else due)
        since = {place: count for place, count in since.items() if place[0] not in aside}


def _aside(refusals: Refusals, refused: set[Place], taken: set[Place], is_paid: bool, now: datetime) -> set[str]:
    found = refusals.on_cycle(dict.fromkeys(refused, "400 no"), taken, BOTH, lambda _: is_paid, now)
    assert all(FIRST <= one.lasts <= LONGEST for one in found)
    return {one.ticker for one in found}
