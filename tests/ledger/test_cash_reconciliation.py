"""What explains the cash: whatever it does not explain would be shown to a person as somebody's money."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exchange.account import Fill
from exchange.orderbook import NO, YES, Side
from ledger.cash_reconciliation import CashReading, ExplainedSpan, cash_effect, extend_span
from tests.support.builders import NOW, fill, settlement

D = Decimal
MINUTE = timedelta(minutes=1)


def test_a_yes_and_a_no_together_are_a_dollar_paid_back_at_once() -> None:
    assert cash_effect(D(0), fill(YES, "0.40", "10", "0.17")) == D("-4.17")
    assert cash_effect(D(10), fill(NO, "0.55", "10", "0.18")) == D("4.32")
    assert cash_effect(D(4), fill(NO, "0.55", "10")) == D("-1.50")
    assert cash_effect(D(-4), fill(YES, "0.30", "3")) == D("2.10")
    assert cash_effect(D(4), settlement("4", "4")) == 4


MOVES = st.lists(
    st.tuples(st.sampled_from((YES, NO)), st.integers(1, 99), st.integers(1, 2_000), st.integers(0, 50)),
    max_size=9,
)


@given(MOVES, st.permutations(range(9)))
def test_the_order_of_fills_does_not_change_the_cash_they_move(
    moves: list[tuple[Side, int, int, int]], order: list[int]
) -> None:
    """Fills move the same cash in total in any order in which the exchange tells them."""
    fills = [fill(side, *(str(D(number) / 100) for number in numbers)) for side, *numbers in moves]

    def moved(told: list[Fill]) -> Decimal:
        held, total = D(0), D(0)
        for one in told:
            total += cash_effect(held, one)
            held += one.change
        return total

    assert moved(fills) == moved([fills[place] for place in order if place < len(fills)])


def look(minute: int, level: str) -> tuple[Decimal, ExplainedSpan]:
    at, till = NOW + minute * MINUTE, CashReading(D(level) + 5, D(5), D(0))
    return D(level), ExplainedSpan(at, at, till, till)


def levels(*told: str) -> list[tuple[Decimal, Decimal]]:
    """First and last level of each span, after looks a minute apart."""
    known: list[ExplainedSpan] = []
    doubt = None
    for minute, level in enumerate(told):
        _, now = look(minute, level)
        before = known[-1] if known else None
        span, doubt = extend_span(before, doubt, now.since, now.first)
        if span:
            known = [*known[:-1], span] if before and before.since == span.since else [*known, span]
    return [(one.first.level, one.last.level) for one in known]


def test_a_step_counts_when_it_is_seen_twice() -> None:
    assert levels("100", "100", "104.12", "104.12", "104.12") == [(100, 100), (D("104.12"), D("104.12"))]
    assert levels("100", "104.12") == [(100, 100)]


def test_a_list_that_lags_for_one_look_moves_no_money() -> None:
    assert levels("100", "104.12", "100", "100") == [(100, 100)]
    assert levels("100", "104", "108", "108") == [(100, 100), (108, 108)]


def test_what_is_less_than_a_step_is_no_step_but_is_not_lost() -> None:
    assert levels("100", "100.30", "100.60") == [(100, D("100.60"))]


def test_a_new_cash_level_after_a_takeover_explains_nothing() -> None:
    """After positions were taken over that no fill explains, a new level of cash begins a new span. It neither
    goes on with the old span nor is in doubt."""
    _, old = look(0, "100")
    _, now = look(1, "150")
    span, doubt = extend_span(old, None, now.since, now.first, anew=True)
    assert (span, doubt) == (now._replace(anew=True), None)
