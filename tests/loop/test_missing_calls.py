"""While a call fails that the bot can do without, it assumes the worse: it spends no cash that is not there, loses
no settlement, and calls no cash a reward."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

import pytest

from exchange.errors import ExchangeError
from exchange.optional_calls import LONGEST
from rewards import fees
from simulator import lifecycle
from simulator.exchange import SHARDS
from simulator.matching import CONTRACT
from tests.support.bench import (
    STILL,
    Bench,
    Beside,
    MakeBench,
    buy_by_hand,
    fill_quote,
    lose,
    own_resting,
    place_by_hand,
    trade_cycles,
)
from tests.support.small_exchange import take
from tests.support.statements import assert_as_stated

pytestmark = pytest.mark.slow

D = Decimal


def find_again(bench: Bench) -> None:
    """The exchange has them again, and the bot has had the time to ask."""
    bench.wire.fault = None
    bench.pass_time(LONGEST)
    bench.client.optional_calls.ask_again()


def truly_free(bench: Bench) -> dict[int, Decimal]:
    exchange = bench.exchange.api.exchange
    return {shard: D(exchange.free_cash(bench.account, shard)) / 1_000_000 for shard in SHARDS}


# -- the balance -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("balance", ["gross", "net"])
def test_cash_is_reckoned_to_the_last_digit_without_the_balance(make_bench: MakeBench, balance: str) -> None:
    """Orders of the bot and of a person, fills and sales change what is free: all of that is known."""
    bench = make_bench(balance=balance, **STILL | {"FILL_PAUSE": 5})
    bench.know_balance(balance)
    trade_cycles(bench, 2)
    lose(bench, "/portfolio/balance")
    for number in range(6):
        fill_quote(bench, part=0.4)
        place_by_hand(bench, name=f"a-person-{number}")
        trade_cycles(bench, 1)
        account = bench.bot.session.look_at_account()
        assert account.cash is not None
        assert account.cash.by_shard == truly_free(bench)
        assert sum(account.cash.by_shard.values()) == account.free_cash


@pytest.mark.parametrize("balance", ["gross", "net"])
def test_a_settlement_is_free_cash_without_the_balance(make_bench: MakeBench, balance: str) -> None:
    """An order that only sells counts in full, as it is not known whether it reserves anything."""
    bench = make_bench(balance=balance, **STILL | {"EXIT": "REST", "FILL_PAUSE": 5})
    bench.know_balance(balance)
    trade_cycles(bench, 2)
    lose(bench, "/portfolio/balance")
    fill_quote(bench, part=0.4)
    trade_cycles(bench, 2)
    account = bench.bot.session.look_at_account()
    assert account.cash is not None
    assert account.cash.by_shard[0] < truly_free(bench)[0]
    exchange = bench.exchange.api.exchange
    for ticker in bench.held():
        lifecycle.settle_now(exchange, exchange.markets[ticker], "yes")
    trade_cycles(bench, 2)
    account = bench.bot.session.look_at_account()
    assert account.cash is not None
    assert not account.positions
    assert account.cash.by_shard == truly_free(bench)


@pytest.mark.parametrize("balance", ["gross", "net"])
def test_no_more_is_spent_than_there_is_while_it_is_not_known(make_bench: MakeBench, balance: str) -> None:
    bench = make_bench(balance=balance, **STILL)
    trade_cycles(bench, 1)
    lose(bench, "/portfolio/balance")
    for _ in range(4):
        place_by_hand(bench, name=f"by-hand-{bench.client.requests_sent}")
        trade_cycles(bench, 1)
        account = bench.bot.session.look_at_account()
        assert account.cash is not None
        assert all(free <= truly_free(bench)[shard] for shard, free in account.cash.by_shard.items())


def test_a_start_without_the_balance_goes_on_from_the_ledger(make_bench: MakeBench) -> None:
    """The total that was free when the bot stopped is still known; of each shard nothing is."""
    bench = make_bench(**STILL)
    bench.know_balance()
    bench.run(cycles=2, end=KeyboardInterrupt)
    lose(bench, "/portfolio/balance")
    bench.restart()
    trade_cycles(bench, 2)
    account = bench.bot.session.look_at_account()
    assert account.cash is not None
    assert account.cash.by_shard == {}
    assert account.cash.total <= sum(truly_free(bench).values())
    assert len(own_resting(bench)) == 4


def test_cash_that_is_only_reckoned_explains_nothing(make_bench: MakeBench) -> None:
    """Cash that a person took out meanwhile is found once the balance is back, and not before."""
    bench = make_bench(faults=[{"do": "cash_given", "from": 400, "amount": 7}], **STILL)
    bench.know_balance()
    trade_cycles(bench, 3)
    lose(bench, "/portfolio/balance")
    died = bench.client.clock.now()
    trade_cycles(bench, 8)
    assert not [line for line in bench.events("INFO") if "Cash: $" in line]
    span = bench.ledger.last_span()
    assert span is not None
    assert span.until <= died, "until then all cash was seen"
    find_again(bench)
    trade_cycles(bench, 3)
    (told,) = [line for line in bench.events("INFO") if "Cash: $" in line]
    assert "$7.0000 came" in told


def test_an_exchange_that_never_told_the_balance_is_traded(make_bench: MakeBench) -> None:
    bench = make_bench(**STILL)
    lose(bench, "/portfolio/balance")
    trade_cycles(bench, 3)
    assert bench.bot.session.look_at_account().cash is None
    assert len(own_resting(bench)) == 4
    assert bench.log.count("free cash counts as the last known") == 1, "told once"


# -- what was held at midnight ---------------------------------------------------------------------------------

LATE = datetime(2026, 11, 22, 23, 57, tzinfo=timezone.utc)


def held_over_midnight(bench: Bench) -> str:
    """A market with a position that nobody bids for any more after midnight, at the price before."""
    ticker = sorted(bench.exchange.api.exchange.markets)[3]
    buy_by_hand(bench, ticker)
    return ticker


def best_bid(bench: Bench, ticker: str) -> Decimal:
    best = bench.exchange.api.exchange.markets[ticker].book.bids.best()
    return D(best or 0) / 10_000


@pytest.mark.parametrize("way", ["ran", "was down"])
def test_a_day_begins_at_the_last_prices_seen_before_it(make_bench: MakeBench, way: str) -> None:
    """Without candles a fall at midnight is this day's loss, not yesterday's. If the bot was down then, the last
    price that it saw before counts."""
    bench = make_bench(at=LATE, **STILL | {"EXIT": "REST"})
    trade_cycles(bench, 1)
    ticker = held_over_midnight(bench)
    trade_cycles(bench, 1)
    before = best_bid(bench, ticker)
    lose(bench, "/markets/candlesticks")
    if way == "was down":
        bench.restart()
    exchange = bench.exchange.api.exchange
    market = exchange.markets[ticker]
    exchange.crowd_take(market, False, int(before * 10_000), 10**9)
    assert best_bid(bench, ticker) < before
    bench.pass_time(120)
    trade_cycles(bench, 2)
    marks = bench.ledger.day_marks(datetime(2026, 11, 23, tzinfo=timezone.utc).date())
    assert marks is not None
    assert marks[ticker].price == before
    mark = bench.ledger.last_mark()
    assert mark is not None
    assert mark.day_profit is not None
    assert mark.day_profit < 0
    assert len(own_resting(bench)) >= 4, "quotes rest"


def test_a_market_not_seen_before_midnight_counts_from_then_on(make_bench: MakeBench) -> None:
    bench = make_bench(at=LATE, **STILL | {"EXIT": "REST"})
    ticker = held_over_midnight(bench)
    lose(bench, "/markets/candlesticks")
    bench.pass_time(240)
    trade_cycles(bench, 1)
    marks = bench.ledger.day_marks(datetime(2026, 11, 23, tzinfo=timezone.utc).date())
    assert marks is not None
    assert marks[ticker].price == best_bid(bench, ticker)
    assert len(own_resting(bench)) >= 4


# -- settlements -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("result", ["yes", "no", 4_500])
def test_a_public_result_settles_a_position_once(make_bench: MakeBench, result: str | int, restarts: bool) -> None:
    """The position is gone from the exchange's list, and its settlement cannot be read: it is paid by the market's
    public result. When settlements can be read again, it is not paid a second time."""
    bench = make_bench(**STILL | {"EXIT": "REST", "FILL_PAUSE": 5})
    bench.know_balance()
    trade_cycles(bench, 2)
    ticker, _ = fill_quote(bench, part=0.3505)  # some of the results pay a fraction of a cent
    trade_cycles(bench, 1)
    lose(bench, "/portfolio/settlements")
    if restarts:
        bench.restart()
    trade_cycles(bench, 1)
    exchange = bench.exchange.api.exchange
    lifecycle.settle_now(exchange, exchange.markets[ticker], result)
    trade_cycles(bench, 3)
    (paid,) = bench.account.settlements
    (one,) = bench.ledger.settlements()
    assert one.revenue == D(paid.revenue) / 1_000_000
    assert bench.ledger.positions().get(ticker, 0) == 0
    assert bench.events("HALT") == []
    find_again(bench)
    bench.restart()  # reads settlements since the last one
    trade_cycles(bench, 3)
    assert len(bench.ledger.settlements()) == 1
    assert_as_stated(bench)
    assert not [line for line in bench.events("INFO") if "Cash: $" in line], "no cash is imagined"


@pytest.mark.parametrize(
    "path", ["/settlements", "/deposits", "/withdrawals", "/intra_exchange_instance_transfers", "/transfers"]
)
def test_no_cash_is_called_unexplained_while_a_list_is_missing(make_bench: MakeBench, path: str) -> None:
    """It may be what the list would explain. Once the list is back, the gift is found to the cent."""
    bench = make_bench(faults=[{"do": "cash_given", "from": 300, "amount": 12.34}], **STILL)
    bench.know_balance()
    trade_cycles(bench, 3)
    lose(bench, path)
    trade_cycles(bench, 12)
    assert not [line for line in bench.events("INFO") if "Cash: $" in line]
    find_again(bench)
    trade_cycles(bench, 3)
    (told,) = [line for line in bench.events("INFO") if "Cash: $" in line]
    assert "$12.3400 came" in told


def test_old_settlements_that_appear_later_are_history(make_bench: MakeBench) -> None:
    """A ledger that was begun without them took the positions as they were. Settlements from before must not
    change these when they can be read at last."""
    bench = make_bench(**STILL | {"EXIT": "REST"})
    exchange = bench.exchange.api.exchange
    tickers = sorted(exchange.markets)[3:5]
    for ticker in tickers:
        buy_by_hand(bench, ticker, f"typed-{ticker}")
    lifecycle.settle_now(exchange, exchange.markets[tickers[0]], "yes")
    lose(bench, "/portfolio/settlements")
    trade_cycles(bench, 2)
    find_again(bench)
    lifecycle.settle_now(exchange, exchange.markets[tickers[1]], "no")  # makes the bot read the list
    trade_cycles(bench, 3)
    assert [one.ticker for one in bench.ledger.settlements()] == [tickers[1]]
    assert bench.ledger.positions().get(tickers[0], 0) == 0
    assert bench.events("HALT") == []


# -- order groups ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fill_limit", "most"), [(None, 20), (20, 20), (45, 40), (100, 80)])
def test_quotes_without_an_order_group_keep_to_the_fill_limit(
    make_bench: MakeBench, fill_limit: int | None, most: int
) -> None:
    """Four quotes of 20 contracts on one shard would rest in a group. Without one only so many do, that no fall of
    the market fills more than the limit."""
    bench = make_bench(**STILL | {"FILL_LIMIT": fill_limit})
    lose(bench, "/order_groups/create")
    for _ in range(3):
        trade_cycles(bench, 1)
        assert sum(order.remaining for order in own_resting(bench)) == most * CONTRACT
        assert {order.group_id for order in own_resting(bench)} == {None}
    kept = {order.order_id for order in own_resting(bench)}
    trade_cycles(bench, 1)
    assert {order.order_id for order in own_resting(bench)} == kept, "no attempt costs them their place"
    find_again(bench)
    trade_cycles(bench, 2)
    assert sum(order.remaining for order in own_resting(bench)) == 80 * CONTRACT
    assert None not in {order.group_id for order in own_resting(bench)}


def test_what_sells_a_position_rests_without_an_order_group(make_bench: MakeBench) -> None:
    """The limit is for quotes. An order that only sells must not wait for the exchange's groups."""
    bench = make_bench(**STILL | {"EXIT": "REST", "FILL_PAUSE": 5, "FILL_LIMIT": 20})
    lose(bench, "/order_groups/create")
    trade_cycles(bench, 2)
    (quote,) = [order for order in own_resting(bench) if order.remaining == 20 * CONTRACT]
    size = take(bench.exchange.api.exchange, quote, 1.0)
    for _ in range(3):
        trade_cycles(bench, 1)
        exits = [o for o in own_resting(bench) if o.ticker == quote.ticker and o.is_bid != quote.is_bid]
        assert [order.remaining >= size for order in exits] == [True]
    opening = sum(order.remaining for order in own_resting(bench)) - sum(map(abs, bench.held().values()))
    assert opening <= 20 * CONTRACT


# -- the others ------------------------------------------------------------------------------------------------


def test_the_dearest_fee_counts_without_the_list_of_series(make_bench: MakeBench) -> None:
    bench = make_bench(**STILL)
    lose(bench, "/series", "/events")
    trade_cycles(bench, 1)
    board = bench.board()
    assert (board.series, board.events) == ({}, {})
    rates = {fees.exact_maker_rate(one.ticker, board.series, board.events) for one in board.programs}
    assert rates == {D("0.07")}
    assert len(own_resting(bench)) == 4
    find_again(bench)
    trade_cycles(bench, 1)
    bench.bot.scan_board()
    assert bench.board().series
    assert bench.board().events


def test_rate_limits_that_come_late_are_used(make_bench: MakeBench) -> None:
    bench = make_bench(tier="advanced", **STILL)
    lose(bench, "/account/limits")
    bench.run(cycles=2)
    assert bench.client.limits.tier == "basic"
    assert bench.log.count("requests keep to the lowest tier's rate limits") == 1
    bench.wire.fault = None
    bench.run(cycles=12)
    assert bench.client.limits.tier == "advanced"


def test_lists_without_their_time_count_two_seconds_later(make_bench: MakeBench) -> None:
    bench = make_bench(**STILL)
    trade_cycles(bench, 1)
    lose(bench, "/exchange/user_data_timestamp")
    bench.client.cancel_order(bench.client.get_resting_orders().items[0])
    assert not bench.client.lists_are_current()
    bench.pass_time(1.5)
    assert not bench.client.lists_are_current()
    bench.pass_time(1)
    assert bench.client.lists_are_current()


def test_the_last_cycle_says_what_it_did_without(beside: Beside) -> None:
    """The status names the calls that fail, with what that means, and the doctor those that fail now."""
    bench, typed = beside
    lose(bench, "/portfolio/balance", "/exchange/schedule")
    bench.run(cycles=2)
    text, told = typed("status"), typed("status", "--json").json
    for path in ("GET /portfolio/balance", "GET /exchange/schedule"):
        assert f"It did without: {path}: 501" in text.out
        assert [one for one in told["last_cycle"]["without"] if one.startswith(path)]
    assert "Free cash: not known" in text.out
    assert told["balance"]["free"] is None
    assert (text.code, text.err) == (0, "")
    assert typed("incentives").code == 0


def test_a_failing_call_is_no_news_each_cycle(make_bench: MakeBench) -> None:
    """Two hours without most of the exchange's account: a line when it begins, a line when it ends."""
    bench = make_bench(**STILL)
    paths = ("/balance", "/settlements", "/schedule", "/series", "/events", "/user_data_timestamp", "/limits")
    bench.run(cycles=2)
    lose(bench, *paths)
    bench.run(cycles=120)
    asked = {path for path in paths if any(path in line.partition(": ")[0] for line in bench.events("ERROR"))}
    assert asked == set(paths) - {"/settlements", "/series", "/events"}, "of these nothing new was needed"
    assert len(bench.events("ERROR")) == len(asked)
    assert bench.events("OUTAGE") == []
    bench.wire.fault = None
    bench.run(cycles=12)
    assert len([line for line in bench.events("INFO") if "answers again" in line]) == len(bench.events("ERROR"))


def test_everything_else_is_still_needed(make_bench: MakeBench) -> None:
    """Orders, positions, fills, markets, books, programs and the status: without one of them a cycle fails."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 1)
    for path in ("/portfolio/orders", "/positions", "/fills", "/markets", "/orderbooks", "/exchange/status"):
        lose(bench, path)
        with pytest.raises(ExchangeError):
            bench.bot.start_trading()
