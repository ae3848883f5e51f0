"""What the exchange lists: a board unlike the real one would make every choice of the bot look right or wrong for
reasons that are not there on the first day with money.
"""

from __future__ import annotations

import statistics

import pytest

from simulator import order_entry
from simulator.board import Board, Levels
from simulator.exchange import Exchange
from simulator.listing import ListedProgram
from simulator.matching import CONTRACT
from simulator.opening import CASH, CUSTOMER, open_exchange
from simulator.order_entry import OrderTerms
from simulator.people import EVERYBODY
from tests.conftest import START

NOW = START.timestamp()
DAY = 86_400.0


def running(exchange: Exchange) -> list[ListedProgram]:
    """The liquidity programs that are active and have published terms."""
    return [
        p
        for p in exchange.programs
        if p.kind == "liquidity" and p.starts <= exchange.now < p.ends and p.target is not None
    ]


def qualifies(exchange: Exchange, program: ListedProgram) -> bool:
    book = exchange.markets[program.ticker].book
    return min(book.bids.total, book.asks.total) >= (program.target or 0)


@pytest.fixture(scope="module")
def large() -> Exchange:
    return open_exchange(NOW, 1, programs=8_140, who=())


def test_a_board_has_as_many_programs_as_were_asked_for(large: Exchange) -> None:
    """And a few overlapping ones and oddities beside them."""
    for exchange, asked in ((open_exchange(NOW, 1), 300), (large, 8_140)):
        of_kinds = [p for p in running(exchange) if not p.ticker.startswith("KXODD")]
        assert asked <= len(of_kinds) <= asked + 6
        assert len({m.ticker for m in exchange.markets.values()}) == len(exchange.markets)


def test_the_board_looks_like_the_real_one(large: Exchange) -> None:
    """Against what was measured there from July to October 2026."""
    programs = running(large)
    assert 500 < len(large.series) < 900
    assert statistics.mean(p.target == 1_000 * CONTRACT for p in programs) == pytest.approx(0.98, abs=0.02)
    assert statistics.mean(p.discount_bps == 5_000 for p in programs) == pytest.approx(0.97, abs=0.02)
    daily = [p.reward / 10_000 / (p.ends - p.starts) * DAY for p in programs]
    assert 14 <= statistics.median(daily) <= 23
    by_category: dict[str, list[bool]] = {}
    for program in programs:
        category = large.markets[program.ticker].event.series.category
        by_category.setdefault(category, []).append(qualifies(large, program))
    assert statistics.mean(by_category["Climate and Weather"]) == pytest.approx(0.20, abs=0.10)
    assert 0.6 < statistics.mean(by_category["Sports"]) < 0.88


def test_a_board_has_one_of_everything_that_a_bot_must_tell_apart() -> None:
    exchange = open_exchange(NOW, 1)
    markets, programs = exchange.markets.values(), exchange.programs
    assert {m.shard for m in markets} == {0, 1, 2, 3}
    assert {m.grid.structure for m in markets} >= {"linear_cent", "tapered_deci_cent"}
    assert {m.status for m in markets} >= {"active", "inactive"}
    assert {p.kind for p in programs} == {"liquidity", "volume"}
    assert any(p.kind == "liquidity" and p.target is None for p in programs)
    assert any(p.starts > NOW for p in programs)
    assert any(p.paid_out for p in programs)
    assert any(p.cap is not None for p in programs)
    tickers = [p.ticker for p in running(exchange)]
    assert len(tickers) > len(set(tickers)), "overlapping programs"
    kinds_of_fees = {s.fees.kind for s in exchange.series.values()}
    assert kinds_of_fees == {"quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"}
    assert any(e.fees is not None and e.fees.percent == 0 for e in exchange.events.values())
    assert any(m.event.combo for m in markets)
    assert any(not m.book.bids.total and not m.book.asks.total for m in markets if m.status == "active")
    assert any(bool(m.book.bids.total) != bool(m.book.asks.total) for m in markets)
    assert any("." in m.ticker for m in markets), "names that may not stand in a client order id"
    assert {p.target for p in running(exchange)} >= {30_000, 100_000}
    lengths = {p.ends - p.starts for p in running(exchange)}
    assert min(lengths) <= 900
    assert max(lengths) >= 14 * DAY


def test_the_board_goes_on_when_events_end() -> None:
    """A bot that is left running for days must not find an empty exchange."""
    exchange = open_exchange(NOW, 3, programs=60, who=())
    before = {p.ticker for p in running(exchange)}
    exchange.advance(NOW + 5 * DAY)
    now = {p.ticker for p in running(exchange)}
    assert len(now) >= 55
    assert len(now - before) > 10, "new events"
    assert any(m.status == "finalized" for m in exchange.markets.values())
    assert all(exchange.markets[ticker].closes > exchange.now for ticker in now - before)
    assert {p.ticker for p in running(exchange)} <= set(exchange.markets)


def test_the_same_seed_gives_the_same_board_and_another_one_another() -> None:
    def listed(seed: int) -> list[tuple[object, ...]]:
        exchange = open_exchange(NOW, seed, programs=30)
        programs = [(p.program_id, p.ticker, p.starts, p.ends, p.reward) for p in exchange.programs]
        return [*programs, *((t, m.book.bids.levels()) for t, m in exchange.markets.items())]

    assert listed(1) == listed(1)
    assert listed(1) != listed(2)


def test_the_account_is_found_in_use_and_pays_for_it() -> None:
    exchange = open_exchange(NOW, 1, programs=30, who=EVERYBODY)
    account = exchange.accounts[CUSTOMER]
    assert len(account.resting) == 2
    assert sorted(held.count for held in account.holdings.values()) == [-300, 300]
    assert sum(account.cash.values()) < sum(CASH.values())


def test_what_programs_there_are_and_when_they_pay_is_nothing_that_the_customer_can_change() -> None:
    def after_days(busy: bool) -> list[tuple[object, ...]]:
        exchange = open_exchange(NOW, 1, programs=12, who=())
        if busy:
            market = next(m for m in exchange.markets.values() if m.status == "active")
            order_entry.create(exchange, CUSTOMER, OrderTerms(market.ticker, True, 100, CONTRACT))
        exchange.advance(NOW + 3 * DAY)
        return [(p.program_id, p.ticker, p.starts, p.ends, p.reward, p.paid_out) for p in exchange.programs]

    assert after_days(busy=True) == after_days(busy=False)


def test_a_program_that_was_over_before_the_opening_is_paid_out_too() -> None:
    exchange = open_exchange(NOW, 1, programs=12, who=())
    over = [p for p in exchange.programs if p.ends <= NOW]
    assert over
    exchange.advance(NOW + 49 * 3_600)
    assert all(p.paid_out for p in over)


def test_a_recorded_book_opens_as_it_was_recorded_also_where_one_side_is_empty() -> None:
    bids = {9_900: 10_000, 9_800: 2_000, 5_000: 30_000, 100: 7_700}
    for levels in (Levels(bids, {}), Levels({}, {10_000 - p: s for p, s in bids.items()}), Levels({}, {}),
                   Levels({4_100: 500, 200: 900}, {4_500: 700, 9_000: 800})):  # fmt: skip
        exchange = Exchange(NOW, 1)
        Board(exchange).recorded("KXR-1-T1", levels)
        book = exchange.markets["KXR-1-T1"].book
        assert dict(book.bids.levels()) == levels.bids
        assert dict(book.asks.levels()) == levels.asks
