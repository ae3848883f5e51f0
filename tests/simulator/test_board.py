"""What the exchange lists: a board unlike the real one would make every choice of the bot look right or wrong for
reasons that are not there on the first day with money.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from simulator import order_entry
from simulator.api import listing_forms as forms
from simulator.board import Board, Levels
from simulator.exchange import Exchange
from simulator.lifecycle import halt
from simulator.listing import ListedProgram
from simulator.matching import CONTRACT
from simulator.opening import CASH, CUSTOMER, PROGRAMS, open_exchange
from simulator.order_entry import OrderTerms
from simulator.people import EVERYBODY, NOISE, RIVALS, SWEEPS
from tests.support.project import START

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("large board")]  # so that it is opened once

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
    for exchange, asked in ((open_exchange(NOW, 1), PROGRAMS), (large, 8_140)):
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


def test_a_board_holds_every_case_a_bot_must_tell_apart() -> None:
    """The board has every kind of shard, grid, market state, program and fee. It has empty and one-sided books
    and names that do not fit a client order id, too."""
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


def test_the_same_seed_gives_the_same_board() -> None:
    """Another seed gives another board: other programs, markets or books."""

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


def test_a_customers_order_does_not_change_the_programs() -> None:
    """The customer cannot change which programs there are, what they pay and when they are paid out."""

    def after_days(busy: bool) -> list[tuple[object, ...]]:
        exchange = open_exchange(NOW, 1, programs=12, who=())
        if busy:
            market = next(m for m in exchange.markets.values() if m.status == "active")
            order_entry.create(exchange, CUSTOMER, OrderTerms(market.ticker, True, 100, CONTRACT))
        exchange.advance(NOW + 3 * DAY)
        return [(p.program_id, p.ticker, p.starts, p.ends, p.reward, p.paid_out) for p in exchange.programs]

    assert after_days(busy=True) == after_days(busy=False)


def test_a_program_over_before_the_opening_is_paid_out_too() -> None:
    """A program that ended before the simulator opened is paid out within three days."""
    exchange = open_exchange(NOW, 1, programs=12, who=())
    over = [p for p in exchange.programs if p.ends <= NOW]
    assert over
    exchange.advance(NOW + 72 * 3_600)
    assert all(p.paid_out for p in over)


def test_a_recorded_book_opens_as_it_was_recorded() -> None:
    """The book has the recorded levels on both sides, also if one side or both sides are empty."""
    bids = {9_900: 10_000, 9_800: 2_000, 5_000: 30_000, 100: 7_700}
    for levels in (Levels(bids, {}), Levels({}, {10_000 - p: s for p, s in bids.items()}), Levels({}, {}),
                   Levels({4_100: 500, 200: 900}, {4_500: 700, 9_000: 800})):  # fmt: skip
        exchange = Exchange(NOW, 1)
        Board(exchange).recorded("KXR-1-T1", levels)
        book = exchange.markets["KXR-1-T1"].book
        assert dict(book.bids.levels()) == levels.bids
        assert dict(book.asks.levels()) == levels.asks


def lately(exchange: Exchange, ticker: str) -> float:
    """Contracts that a market shows for the last 24 hours."""
    return float(forms.market(exchange, exchange.markets[ticker])["volume_24h_fp"])


def test_a_bot_at_its_start_sees_the_volume_of_the_day_before(large: Exchange) -> None:
    """A new board does not look untraded: markets with two-sided books show volume, and empty books show none.
    On a board without people only the customer's own fills were traded."""
    exchange = open_exchange(NOW, 1, programs=60)
    for ticker, market in exchange.markets.items():
        shown = forms.market(exchange, market)
        traded = float(shown["volume_24h_fp"])
        assert traded <= float(shown["volume_fp"])
        assert (float(shown["volume_fp"]) > 0) == (market.last_price > 0), ticker
        if NOW - market.opened > DAY / 2 and market.book.bids.total and market.book.asks.total:
            assert traded > 0, ticker
        if not market.book.bids.total and not market.book.asks.total:
            assert traded == 0, "out of an empty book"
    mine = len(exchange.accounts[CUSTOMER].fills)
    assert sum(m.volume > 0 for m in large.markets.values()) == mine, "nobody was there who could have traded"


def test_the_volume_before_the_opening_agrees_with_a_days_trade() -> None:
    """The volume shown at the opening fits what the same people, chance takers with a known rate, trade in a
    day. Otherwise a choice of markets by volume is right or wrong for no reason."""
    exchange = open_exchange(NOW, 2, programs=150, who={NOISE, RIVALS})
    quiet = [t for t, m in exchange.markets.items() if m.opened < NOW - DAY and m.closes > NOW + DAY]
    before = [lately(exchange, ticker) for ticker in quiet]
    exchange.advance(NOW + DAY)
    after = [lately(exchange, ticker) for ticker in quiet]
    assert len(quiet) > 20
    assert 1 / 1.5 < statistics.median(before) / statistics.median(after) < 1.5
    assert statistics.correlation(before, after) > 0.7


def test_the_volume_of_the_day_before_wears_off_in_a_day() -> None:
    """The volume from before the opening does not vanish at once and does not stay for ever. It falls hour by
    hour and is zero after 25 hours."""
    exchange = open_exchange(NOW, 1, programs=30, who={NOISE, RIVALS})
    long = [m for m in exchange.markets.values() if m.opened < NOW - DAY and m.closes > NOW + 2 * DAY]
    for market in long:
        halt(exchange, market)
    shown = [sum(lately(exchange, market.ticker) for market in long)]
    for hour in range(1, 26):
        exchange.advance(NOW + hour * 3_600)
        shown.append(sum(lately(exchange, market.ticker) for market in long))
    assert shown[0] > 0 == shown[-1]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] / 4 <= shown[12] <= shown[0] * 3 / 4
    assert max(before - now for before, now in pairwise(shown)) <= shown[0] / 2


def test_candles_of_the_day_before_agree_with_the_market() -> None:
    """The candlesticks of the day before sum to the volume that the market shows, and to its trades. Each hour
    was traded at the prices of its trades, and quoted at more than one price in the day."""
    exchange = open_exchange(NOW, 1, programs=60)
    busiest = max((m for m in exchange.markets.values() if m.opened < NOW - DAY), key=lambda m: m.volume)
    sticks = list(forms.candlesticks(busiest, int(NOW - 2 * DAY), int(NOW) + 3_600, 3_600))
    trades = busiest.trades
    assert sum(float(stick["volume_fp"]) for stick in sticks) == lately(exchange, busiest.ticker)
    assert sum(trade.size for trade in trades) == busiest.volume
    for stick in sticks:
        ends = stick["end_period_ts"]
        prices = [trade.price for trade in trades if ends - 3_600 <= trade.time < ends]
        traded = stick["price"]
        shown = [traded[name] for name in ("low_dollars", "high_dollars") if name in traded]
        assert shown == ([forms.price(min(prices)), forms.price(max(prices))] if prices else [])
    assert len({stick["yes_bid"]["close_dollars"] for stick in sticks}) > 3


def test_a_day_before_the_opening_is_like_the_day_after() -> None:
    """Prices moved before the opening as they move after it, and as far from the opening in both directions. If
    the day before stood still at today's prices, whoever learns from it would learn that fills cost nothing."""
    moved = defaultdict(list)
    for seed in range(1, 8):
        exchange = open_exchange(NOW, seed, programs=40, who={RIVALS})
        for market in exchange.markets.values():
            if market.opened < NOW - DAY and market.closes > NOW + 7 * DAY:
                worth = exchange.hidden_value[market.ticker]
                for day in (-1, 1):
                    moved[day].append(abs(worth(NOW + day * DAY) - worth(NOW)))
    assert len(moved[1]) > 50
    assert 0.7 < statistics.mean(moved[-1]) / statistics.mean(moved[1]) < 1.4


def test_books_open_around_the_value_of_the_opening() -> None:
    """Where nobody trades before the opening, nothing was known before it: no book opens a tick off."""
    for who, past in (((), DAY), (EVERYBODY, 0.0)):
        exchange = open_exchange(NOW, 1, programs=60, who=who, past=past)
        for ticker, worth in exchange.hidden_value.items():
            assert worth(NOW - 600) == worth(NOW), ticker


def test_a_recorded_book_is_itself_again_after_the_day_before(tmp_path: Path) -> None:
    """A recorded book shows volume from before the opening, too, and opens as it was recorded all the same. It
    shows no volume if the takers are left out, or the rivals, without whom no book is refilled."""
    book = {"yes_dollars": [["0.4100", "50.00"]], "no_dollars": [["0.5500", "70.00"]]}
    file = tmp_path / "books.jsonl"
    file.write_text(json.dumps({"ticker": "KXR-1-T1", "orderbook_fp": book}) + "\n", encoding="utf-8")
    traded = []
    for who in (EVERYBODY, {NOISE, RIVALS}, {RIVALS, SWEEPS}, {NOISE}, set[str]()):
        exchange = open_exchange(NOW, 1, file, who=who)
        market = exchange.markets["KXR-1-T1"]
        levels = [half.levels() for half in (market.book.bids, market.book.asks)]
        own = sum(order.remaining for order in market.owned.values())
        assert (levels[0][0][0], levels[0][0][1] - own, levels[1]) == (4_100, 5_000, [(4_500, 7_000)])
        traded.append(lately(exchange, "KXR-1-T1"))
    assert min(traded[:2]) > 0
    assert traded[2:] == [0, 0, 0]


def test_all_programs_end_by_the_date_that_was_given() -> None:
    """A window that would reach beyond is cut there and pays as much a day. None is listed after, also when a
    series goes on with its next event."""
    end = NOW + 3 * DAY
    free, ended = (open_exchange(NOW, 1, programs=60, who=(), programs_end=when) for when in (None, end))
    for exchange in (free, ended):
        exchange.advance(NOW + 5 * DAY)
    assert max(program.ends for program in ended.programs) == end
    assert {program.ends for program in free.programs if program.ends > end}
    a_day = {one.program_id: one.reward / (one.ends - one.starts) for one in free.programs}
    cut = [one for one in ended.programs if one.ends == end]
    assert len(cut) > 10
    for one in cut:
        assert one.reward / (one.ends - one.starts) == pytest.approx(a_day[one.program_id], rel=1e-3)
    assert running(free)
    assert running(ended) == []
    none = open_exchange(NOW, 1, programs=60, who=(), programs_end=NOW - 60 * DAY)
    assert none.programs == []
