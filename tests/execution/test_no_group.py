"""Quotes without an order group: nothing on the exchange stops their fills, so few contracts of them may rest."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exchange.orderbook import NO, YES, Bid, Side
from execution.exits import Exit
from execution.fill_limit import FillLimit
from execution.plan import Plan, TargetQuote, Targets, make_plan
from risk.gate import Limits, RefusalCode
from tests.support.bench import STILL, MakeBench, lose, own_resting, trade_cycles
from tests.support.builders import BOOK, UNTIL, held, market, order, state
from trade import is_own

D = Decimal
TICKERS = [f"KX{event}-{strike}" for event in "AB" for strike in (1, 2)]
MARKETS = {
    ticker: market(ticker=ticker)._replace(exchange_index=shard)
    for ticker, shard in zip(TICKERS, (0, 0, 0, 1), strict=True)
}
BOOKS = {ticker: BOOK._replace(ticker=ticker) for ticker in TICKERS}
RICH = Limits(D(10_000), D(10_000), 1_000)


def quote(ticker: str, side: Side, count: int) -> TargetQuote:
    price = D("0.49") if side is YES else D("0.44")
    return TargetQuote(MARKETS[ticker], Bid(side, price, D(count)), UNTIL, D(count))


def planned(quotes: list[TargetQuote], most: dict[int, int], **more: object) -> Plan:
    limits = {shard: D(count) for shard, count in most.items()}
    there = state(limits=RICH, markets=MARKETS, books=BOOKS, fill_limits=limits, **more)
    return make_plan(there, Targets(quotes, until=UNTIL, exit=Exit.REST), dict.fromkeys(most))


def test_the_most_important_quotes_rest_up_to_the_limit() -> None:
    """And each shard has a limit of its own."""
    quotes = [quote(ticker, side, 5) for ticker in TICKERS for side in (YES, NO)]
    made = planned(quotes, {0: 10, 1: 5})
    assert [(one.ticker, one.bid.side) for one in made.orders] == [
        (TICKERS[0], YES), (TICKERS[0], NO), (TICKERS[3], YES),
    ]  # fmt: skip
    assert {one.code for one in made.refused} == {RefusalCode.FILL_LIMIT}
    assert {one.group_id for one in made.orders} == {None}


def test_a_quote_beyond_the_limit_is_refused_with_its_numbers() -> None:
    made = planned([quote(TICKERS[0], YES, 30), quote(TICKERS[1], NO, 5)], {0: 12})
    assert [(one.ticker, one.bid.count) for one in made.orders] == [(TICKERS[1], D(5))]
    (refusal,) = made.refused
    assert refusal.text == "FILL_LIMIT | 30 contracts on shard 0 with it, limit 12 without an order group"


def test_what_sells_a_position_rests_beyond_the_limit() -> None:
    """A quote took all of the limit. The exit of another market rests in its quote's place."""
    quotes = [quote(TICKERS[0], YES, 5), quote(TICKERS[1], NO, 5)]
    made = planned(quotes, {0: 5}, positions=(held(TICKERS[1], 7),))
    assert {(one.ticker, one.bid.side, one.bid.count) for one in made.orders} == {
        (TICKERS[0], YES, D(5)), (TICKERS[1], NO, D(7)),
    }  # fmt: skip


def test_a_person_s_orders_use_none_of_the_limit() -> None:
    theirs = order(TICKERS[1], YES, "0.40", 400, "typed")._replace(client_order_id="theirs")
    assert not is_own(theirs)
    made = planned([quote(TICKERS[0], YES, 5)], {0: 5}, orders=(theirs,))
    assert len(made.orders) == 1


@given(
    st.lists(st.tuples(st.sampled_from(TICKERS), st.sampled_from((YES, NO)), st.integers(1, 30)), max_size=8),
    st.dictionaries(st.sampled_from(TICKERS), st.integers(-20, 20).filter(bool), max_size=3),
    st.integers(1, 40),
)
def test_no_plan_without_groups_opens_more_than_the_limit(
    wanted: list[tuple[str, Side, int]], positions: dict[str, int], most: int
) -> None:
    made = planned(
        [quote(*one) for one in wanted],
        {0: most, 1: most},
        positions=tuple(held(ticker, count) for ticker, count in positions.items()),
    )
    for shard in (0, 1):
        opens = D(0)
        for one in made.orders:
            if MARKETS[one.ticker].exchange_index == shard:
                count = positions.get(one.ticker, 0)
                closes = max(-count if one.bid.side is YES else count, 0)
                opens += max(one.bid.count - closes, D(0))
        assert opens <= most


def test_a_group_that_cannot_be_adjusted_is_replaced(make_bench: MakeBench) -> None:
    bench = make_bench(**STILL)
    trade_cycles(bench, 1)
    groups = bench.bot.session.order_groups
    before = groups.group_ids([0])[0]
    lose(bench, "/limit")
    groups.ensure({0: FillLimit(D(60), D(60))})
    groups.ensure({0: FillLimit(D(60), D(60))})
    after = groups.group_ids([0])[0]
    assert after != before
    assert bench.account.groups[str(after)].limit == 6_000
    trade_cycles(bench, 2)
    assert {one.group_id for one in own_resting(bench)} <= set(bench.account.groups)


def test_the_largest_of_several_sizes_may_rest_without_a_group(make_bench: MakeBench) -> None:
    bench = make_bench(**STILL | {"TRADE_SIZE": "AUTO", "TRADE_TICKER_SIZE": 4, "MAX_EVENT_LOSS": 500})
    lose(bench, "/create")
    trade_cycles(bench, 3)
    plan = bench.bot.plan
    assert plan is not None
    assert len(set(plan.sizes.values())) > 1
    shard_of = {ticker: listed.shard for ticker, listed in bench.exchange.api.exchange.markets.items()}
    for shard in {shard_of[one.ticker] for one in own_resting(bench)}:
        resting = sum(one.remaining for one in own_resting(bench) if shard_of[one.ticker] == shard)
        largest = max(size for (ticker, _), size in plan.sizes.items() if shard_of[ticker] == shard)
        assert 0 < resting <= 100 * largest
        assert any(one.remaining == 100 * largest for one in own_resting(bench)), "the best quote is the largest"
    assert {shard_of[ticker] for ticker, _ in plan.sizes} == {shard_of[one.ticker] for one in own_resting(bench)}


def test_a_lost_answer_makes_no_cycle_fail(make_bench: MakeBench) -> None:
    """The call is repeated: a group too many does no harm."""
    faults = [{"do": "timeout_after", "on": "POST /portfolio/order_groups/create", "times": 1}]
    bench = make_bench(faults=faults, **STILL)
    trade_cycles(bench, 1)
    assert len(bench.account.groups) == 2
    assert len(own_resting(bench)) == 4
