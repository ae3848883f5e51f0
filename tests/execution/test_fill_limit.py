"""What may be filled in 15 s, if `FILL_LIMIT` is None: no more than `MAX_EVENT_LOSS` pays for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.orderbook import NO, YES, Bid
from execution.exits import Exit
from execution.fill_limit import FillLimit, fill_limit
from execution.plan import TargetQuote, Targets, make_plan
from risk.gate import Limits
from tests.support.bench import STILL, MakeBench, lose, trade_cycles
from tests.support.builders import BOOK, UNTIL, bid, held, market, order, state

D = Decimal
GROUPS = {0: "group-0"}
NO_BOUND = D("Infinity")

BIDS = st.builds(
    Bid,
    st.sampled_from((YES, NO)),
    st.integers(1, 9_999).map(lambda price: D(price) / 10_000),
    st.integers(1, 50_000).map(lambda count: D(count) / 100),
)
DOLLARS = st.integers(1, 50_000).map(lambda cents: D(cents) / 100)


def limit_of(bids: Sequence[Bid], dollars: Decimal) -> FillLimit:
    return fill_limit(max(one.count for one in bids), bids, dollars)


def cost(bids: Sequence[Bid], contracts: Decimal) -> Decimal:
    """Dollars for so many contracts, filled in the order of `bids`."""
    spent, left = D(0), contracts
    for one in bids:
        taken = min(one.count, left)
        spent, left = spent + taken * one.price, left - taken
    return spent


# -- the bound -------------------------------------------------------------------------------------------------


@given(st.lists(BIDS, min_size=1, max_size=8), DOLLARS, st.randoms(use_true_random=False))
def test_no_fill_within_the_limit_costs_more_than_it_may(bids: list[Bid], dollars: Decimal, dice: object) -> None:
    """Whichever quotes are taken first. A limit is one contract at least."""
    limit = limit_of(bids, dollars)
    dice.shuffle(bids)  # type: ignore[attr-defined]
    assert limit.wanted <= limit.most
    for allowed in limit:
        assert allowed >= 1
        whole = min(allowed, sum(one.count for one in bids))
        assert allowed == 1 or cost(bids, whole) <= dollars


@given(st.lists(BIDS, min_size=1, max_size=8), DOLLARS)
def test_the_limit_is_no_lower_than_the_money_asks(bids: list[Bid], dollars: Decimal) -> None:
    """It is the largest quote's size, or one contract more may cost too much."""
    limit = limit_of(bids, dollars).wanted
    largest = max(one.count for one in bids).to_integral_value(ROUND_CEILING)
    dearest_first = sorted(bids, key=lambda one: one.price, reverse=True)
    assert limit == largest or cost(dearest_first, limit + 1) > dollars


@pytest.mark.parametrize(
    ("bids", "dollars", "limit"),
    [
        ([bid(YES, "0.05", 400), bid(NO, "0.95", 20)], 20, (40, 40)),
        ([bid(YES, "0.40", 20), bid(NO, "0.50", 20)], 20, (20, NO_BOUND)),
        ([bid(YES, "0.40", 20), bid(NO, "0.50", 30)], 20, (30, 42)),
        ([bid(YES, "0.30", 10)], 1, (3, 3)),
        ([bid(NO, "0.99", 5)], D("0.50"), (1, 1)),
        ([bid(NO, "0.50", 2.5)], 20, (3, NO_BOUND)),
    ],
)  # fmt: skip
def test_the_costliest_contracts_count_first(bids: list[Bid], dollars: Decimal, limit: tuple[int, int]) -> None:
    assert limit_of(bids, D(dollars)) == limit


# -- in a plan -------------------------------------------------------------------------------------------------

TICKERS = ["KXA-1", "KXB-1", "KXC-1"]
MARKETS = {ticker: market(ticker=ticker) for ticker in TICKERS}
BOOKS = {ticker: BOOK._replace(ticker=ticker) for ticker in TICKERS}


def quote(ticker: str, price: str, count: int) -> TargetQuote:
    return TargetQuote(MARKETS[ticker], bid(YES, price, count), UNTIL, D(count))


def planned(quotes: list[TargetQuote], dollars: int, leave: Sequence[str] = (), **more: object) -> FillLimit:
    limits = Limits(D(10_000), D(dollars), 1_000)
    there = state(limits=limits, markets=MARKETS, books=BOOKS, **more)
    made = make_plan(there, Targets(quotes, leave=leave, until=UNTIL, exit=Exit.REST), GROUPS)
    assert made.refused == ()
    return made.fill_limits[0]


def test_quotes_of_several_events_share_a_shard_s_limit() -> None:
    """Each costs less than an event may lose. Together they cost more."""
    quotes = [quote("KXA-1", "0.49", 30), quote("KXB-1", "0.10", 100)]
    assert planned(quotes, 16) == (43, 43)


def test_a_quote_that_moves_counts_at_its_costlier_price() -> None:
    """The limit changes before the order moves, and the move may fail."""
    resting = order("KXA-1", YES, "0.49", 30, "a")._replace(group_id="group-0")
    quotes = [quote("KXA-1", "0.30", 30), quote("KXB-1", "0.10", 100)]
    assert planned(quotes, 16, orders=(resting,)) == (43, 43)


def test_an_order_in_an_unread_market_takes_of_the_limit() -> None:
    """Its market could not be read, so it rests on, and its fills count in the group."""
    resting = order("KXA-1", YES, "0.49", 30, "a")._replace(group_id="group-0")
    quotes = [quote("KXB-1", "0.10", 100)]
    assert planned(quotes, 16, leave=("KXA-1",), orders=(resting,)) == (43, 43)


def test_contracts_that_sell_a_position_take_no_money() -> None:
    """An exit that trips its group would wait for `FILL_PAUSE` in the middle."""
    quotes = [quote("KXA-1", "0.49", 10), quote("KXB-1", "0.30", 20)]
    assert planned(quotes, 20, positions=(held("KXA-1", -40),)) == (40, NO_BOUND)


# -- in a bot --------------------------------------------------------------------------------------------------


def test_a_group_may_not_stay_wider_than_the_money(make_bench: MakeBench) -> None:
    """Within the money a limit stays up to twice the wanted one, because each change is a request."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 1)
    groups = bench.bot.session.order_groups
    (group,) = [one for one in bench.account.groups.values() if one.shard == 0]
    assert group.limit == 2_000
    for wanted, most, then in ((15, 20, 20), (15, 19, 15), (8, NO_BOUND, 15), (7, NO_BOUND, 7), (9, 9, 9)):
        groups.ensure({0: FillLimit(D(wanted), D(most))})
        assert group.limit == 100 * then


def test_a_limit_of_ones_own_is_not_lowered(make_bench: MakeBench) -> None:
    bench = make_bench(**STILL | {"FILL_LIMIT": 60})
    trade_cycles(bench, 1)
    bench.bot.session.order_groups.ensure({0: FillLimit(D(2), D(2))})
    assert {group.limit for group in bench.account.groups.values()} == {6_000}


@pytest.mark.parametrize("has_groups", [True, False])
def test_large_cheap_quotes_lose_no_more_than_they_may(make_bench: MakeBench, has_groups: bool) -> None:
    """With `AUTO` the cheap quotes are large."""
    bench = make_bench(**STILL | {"TRADE_SIZE": "AUTO", "TRADE_TICKER_SIZE": 4})
    if not has_groups:
        lose(bench, "/create")
    for _ in range(3):
        trade_cycles(bench, 1)
        by_shard = defaultdict(list)
        for one in bench.client.get_resting_orders():
            by_shard[one.shard].append(one.bid)
        largest = {shard: max(one.count for one in bids) for shard, bids in by_shard.items()}
        if has_groups:
            allowed = {one.shard: D(str(one.limit)) / 100 for one in bench.account.groups.values()}
            assert any(allowed[shard] < count for shard, count in largest.items()), "the money binds"
        else:
            allowed = {shard: sum((one.count for one in bids), D(0)) for shard, bids in by_shard.items()}
        for shard, bids in by_shard.items():
            assert cost(sorted(bids, key=lambda one: one.price, reverse=True), allowed[shard]) <= 200
