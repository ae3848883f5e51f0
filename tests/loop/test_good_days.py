"""The loop on a good day: what a person who leaves it running relies on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import trade
from clients import Environment
from exchange.orderbook import Side
from runtime.version import VERSION
from simulator.people import EVERYBODY
from tests.support.bench import Bench, MakeBench, answer, assert_quoting_once, is_quote, place_by_hand, unavailable


def test_a_session_clears_the_orders_and_positions_it_found(bench: Bench) -> None:
    """A new session cancels the bot's old orders and sells its positions, and logs each."""
    found = {order.order_id for order in bench.resting()}
    assert len(found) == 2
    assert bench.held()
    bench.bot.start_trading()
    assert not found & {order.order_id for order in bench.resting()}
    assert bench.held() == {}
    assert len(bench.events("CANCEL ORDER")) == 2
    assert len(bench.events("CLOSE POSITION")) == 2


def test_a_cycle_logs_its_steps_in_the_documented_order(bench: Bench) -> None:
    """The first log lines of the steps, from cancels to orders, are in that order, and the line of the cycle
    comes last."""
    bench.bot.start_trading()
    first_of = {}
    for number, line in enumerate(bench.log.splitlines()):
        event = line.partition("[")[2].partition("]")[0]
        first_of.setdefault(event, number)
    steps = ["CANCEL ORDER", "CLOSE POSITION", "SKIP MARKET", "QUOTE MARKET", "ORDER BOOK", "OPEN ORDER"]
    assert [first_of[step] for step in steps] == sorted(first_of[step] for step in steps)
    assert first_of["ORDER RESPONSE"] > first_of["CLOSE POSITION"]
    assert first_of["CYCLE"] == max(first_of.values())


def test_quotes_are_post_only_and_die_with_the_bot(bench: Bench) -> None:
    bench.bot.start_trading()  # it also scans the board, which takes its time
    assert len([request for request in bench.wire.sent if is_quote(request)]) == 4
    began = bench.exchange.clock.now()
    bench.bot.start_trading()
    resting = bench.resting()
    assert len(resting) == 4
    planned = (began + timedelta(seconds=60 + 60)).timestamp()
    for order in resting:
        assert order.client_order_id.startswith(trade.OWN_PREFIX)
        assert order.size == 100
        assert order.expires is not None
        assert planned <= order.expires <= planned + 2
    bench.pass_time(125)
    bench.client.get_exchange_status()
    assert bench.resting() == []


def test_a_second_cycle_does_not_double_the_orders(bench: Bench) -> None:
    for _ in range(3):
        bench.bot.start_trading()
        bench.pass_time(60)
        sides = Counter((order.ticker, order.is_bid) for order in bench.resting())
        assert len(sides) == 4
        assert set(sides.values()) == {1}


def test_after_its_start_the_bot_leaves_a_persons_orders_alone(bench: Bench) -> None:
    bench.bot.start_trading()
    theirs = place_by_hand(bench)
    bench.bot.start_trading()
    assert theirs in {order.order_id for order in bench.resting()}


def test_a_persons_order_does_not_move_the_bots_price(make_bench: MakeBench) -> None:
    """An order of a person above the best bid would move the price if it were a rival's. It stays on the book."""
    bench = make_bench(MAX_CAPITAL=1_000, MAX_EVENT_LOSS=1_000)
    choice = bench.bot.start_trading()
    assert choice is not None
    first = choice.chosen[0]
    theirs = place_by_hand(bench, ticker=first.ticker, above_best=True)
    again = bench.bot.start_trading()
    assert again is not None
    bids = {candidate.ticker: candidate.bids for candidate in again.chosen}
    assert theirs in {order.order_id for order in bench.resting()}
    assert bids[first.ticker] == first.bids


def test_cycles_begin_wait_time_apart_however_long_they_take(bench: Bench) -> None:
    bench.run(cycles=4)
    begun = [line[:19] for line in bench.events("CYCLE")]
    seconds = [int(time[-2:]) + 60 * int(time[-5:-3]) for time in begun]
    assert all(abs((later - earlier) % 3600 - 60) <= 1 for earlier, later in pairwise(seconds[1:]))


def test_a_position_without_bids_is_kept_and_blocks_its_market(bench: Bench) -> None:
    """A position that cannot be sold stays, is logged, and blocks new orders in its own market only."""
    choice = bench.bot.start_trading()
    assert choice is not None
    ticker, other = (candidate.ticker for candidate in choice.chosen)
    exchange = bench.exchange.api.exchange
    exchange.accounts["customer"].holdings[ticker].count = 500  # YES
    drop_crowd(bench, ticker, is_bid=True)
    bench.pass_time(1)
    bench.bot.start_trading()
    (line,) = bench.events("SKIP POSITION")
    assert f"Ticker: {ticker} | Side: yes | Count: 5 | Reason: there are no bids for yes" in line
    assert not [order for order in bench.resting() if order.ticker == ticker and order.is_bid]
    assert len([order for order in bench.resting() if order.ticker == other]) == 2


def test_a_position_with_a_refused_sale_gets_no_new_quote(bench: Bench) -> None:
    """If the exchange refuses the sale of a position, the bot places no new quote in that market and logs
    NOT_CLEARED."""
    choice = bench.bot.start_trading()
    assert choice is not None
    ticker = choice.chosen[0].ticker
    bench.exchange.api.exchange.accounts["customer"].holdings[ticker].count = 500
    refuse = answer(400, '{"error":{"code":"invalid_order","message":"not today"}}')
    bench.wire.fault = lambda request, _: refuse if b'"reduce_only": true' in (request.body or b"") else None
    bench.let_expire(order for order in bench.resting() if order.ticker == ticker)
    bench.bot.start_trading()
    assert ticker not in {order.ticker for order in bench.resting()}
    assert any(ticker in line and "NOT_CLEARED" in line for line in bench.events("REFUSED ORDER"))


def test_a_quote_is_priced_after_our_own_sale_not_before_it(make_bench: MakeBench) -> None:
    bench = make_bench(TRADE_SIZE=20, FILL_COST=0, TRADE_TICKER_SIZE=50, MAX_CAPITAL=1_000, MAX_EVENT_LOSS=1_000)
    choice = bench.bot.start_trading()
    assert choice is not None
    first = choice.chosen[0]
    touch = first.rivals.yes[0]
    bench.exchange.api.exchange.accounts["customer"].holdings[first.ticker].count = int(touch.size * 100)
    bench.pass_time(10)
    bench.bot.start_trading()
    assert not [order for order in bench.resting() if order.ticker == first.ticker and order.is_bid]
    again = bench.bot.start_trading()
    assert again is not None
    (candidate,) = [candidate for candidate in again.chosen if candidate.ticker == first.ticker]
    assert candidate.rivals.yes[0].price < touch.price
    assert all(bid.price < candidate.rivals.yes[0].price for bid in candidate.bids if bid.side is Side.YES)


def test_a_sale_does_not_meet_the_order_of_a_person(bench: Bench) -> None:
    """If a sale by the bot would meet an order of a person, the order stays. The bot skips the sale and logs
    what stands in the way."""
    choice = bench.bot.start_trading()
    assert choice is not None
    ticker = choice.chosen[0].ticker
    theirs = place_by_hand(bench, ticker=ticker, above_best=True)
    bench.exchange.api.exchange.accounts["customer"].holdings[ticker].count = 500
    bench.bot.start_trading()
    assert theirs in {order.order_id for order in bench.resting()}
    assert "stands in the way" in bench.events("SKIP POSITION")[0]


def test_changed_terms_of_quoted_markets_are_told(make_bench: MakeBench) -> None:
    bench = make_bench(TRADE_TICKER_SIZE=5)
    choice = bench.bot.start_trading()
    assert choice is not None
    exchange = bench.exchange.api.exchange
    exchange.programs[:] = [replace(program, reward=program.reward * 2) for program in exchange.programs]
    bench.bot.scan_board()
    told = bench.events("UPDATE INCENTIVE")
    for candidate in choice.chosen:
        for program in candidate.incentive.programs:
            was = f"Ticker: {candidate.ticker} | Was: ${program.reward:,.2f} until"
            (line,) = [line for line in told if was in line]
            assert f"| Now: ${program.reward * 2:,.2f} until" in line


def drop_crowd(bench: Bench, ticker: str, is_bid: bool) -> None:
    half = bench.exchange.api.exchange.markets[ticker].book.half(is_bid)
    for order in half.everyone():
        if order.owner is None:
            half.remove(order)


def test_a_position_is_sold_at_the_best_bid_seen_and_never_worse(bench: Bench) -> None:
    exchange = bench.exchange.api.exchange
    held = bench.held()
    best = {ticker: exchange.markets[ticker].book.half(count > 0).best() for ticker, count in held.items()}
    bench.bot.start_trading()
    for fill in bench.account.fills[-len(held) :]:
        assert fill.price == best[fill.ticker]
        assert fill.is_taker
        assert fill.fee > 0


def test_filled_quotes_are_told_and_sold_and_cost_money(make_bench: MakeBench) -> None:
    """The simulator can hurt: quoting at the touch in a busy market is filled, and each exit pays the spread
    and the fee."""
    bench = make_bench(
        seed=2,
        who=EVERYBODY,
        TRADE_DELTA=0.00,
        TRADE_SIZE=20,
        INCENTIVE_SIZE=None,
        TRADE_TICKER_SIZE=12,
        FILL_COST=0,
        MAX_CAPITAL=500,
        MAX_EVENT_LOSS=500,
        MIN_HOURS_TO_CLOSE=1,
        ONLY=("KXBTCD*", "KXTENNIS*", "KXHIGH*", "KXLOWT*"),
    )
    bench.bot.start_trading()
    cash = bench.client.get_balance().total
    fills: list[str] = []
    cycles = 0
    while len(fills) < 12 and cycles < 120:
        bench.pass_time(60)
        bench.bot.start_trading()
        cycles += 1
        fills = [line[20:] for line in bench.events("FILL") if "Role: maker" in line]
    assert fills
    told = " ".join(bench.events("SKIP POSITION"))
    assert all(f"Ticker: {ticker} " in told for ticker in bench.held()), "a price fell far, or needs a second look"
    assert len(fills) == len(set(fills)), "a fill was told twice"
    assert bench.client.get_balance().total < cash


def test_a_fill_that_is_listed_late_is_told_once_all_the_same(bench: Bench) -> None:
    bench.bot.start_trading()
    fills = bench.account.fills
    bench.pass_time(30)
    now = bench.exchange.clock.now().timestamp()
    late = replace(fills[-1], number=fills[-1].number + 1, size=1_100, time=now - 3)
    fills.append(replace(late, number=late.number + 1, size=2_200, time=now))
    bench.bot.start_trading()
    fills.insert(-1, late)
    bench.bot.start_trading()
    for count in ("Count: 11 ", "Count: 22 "):
        assert len([line for line in bench.events("FILL") if count in line]) == 1


def test_the_next_best_markets_are_explained(
    make_bench: MakeBench,
) -> None:
    """When better markets go away, the log explains those that are among the 20 next best now, and does not repeat
    itself about the others."""
    bench = make_bench(TRADE_TICKER_SIZE=1)
    bench.bot.start_trading()
    skipped = bench.board().selection.skipped
    assert len(skipped) > 30
    gone = {skip.ticker for skip in skipped[:10]}
    programs = bench.exchange.api.exchange.programs
    programs[:] = [program for program in programs if program.ticker not in gone]
    told_before = [line.partition("Ticker: ")[2].partition(" ")[0] for line in bench.events("SKIP MARKET")]
    bench.bot.scan_board()
    told = [line.partition("Ticker: ")[2].partition(" ")[0] for line in bench.events("SKIP MARKET")]
    now = [skip.ticker for skip in bench.board().selection.skipped[:20]]
    assert told == told_before + [ticker for ticker in now if ticker not in told_before]
    assert len(told) > len(told_before)
    assert not gone & set(now)


def test_the_first_line_says_that_no_real_money_is_involved(bench: Bench) -> None:
    bench.run(cycles=1)
    first = bench.log.splitlines()[0]
    assert f"[START] Version: {VERSION} | Environment: SIM" in first
    assert "no real money is involved" in first
    assert "25 times" not in first, "this one does not wait, and must not say that it does"


def test_what_a_person_should_mend_stands_at_the_top_of_the_log(bench: Bench) -> None:
    bench.connection = replace(bench.connection, warnings=("DEMO_KEYFILE: others can read it",))
    bench.restart()
    bench.run(cycles=1)
    assert "[INFO] Warning: DEMO_KEYFILE: others can read it" in bench.log.splitlines()[1]


def test_the_accounts_own_limits_are_kept_to_and_told(make_bench: MakeBench) -> None:
    bench = make_bench(tier="advanced")
    bench.run(cycles=1)
    assert bench.client.limits.write.capacity == 900
    (line,) = [line for line in bench.events("INFO") if "Rate limits" in line]
    assert "Rate limits: advanced | Reads: 300 tokens/s | Writes: 300 tokens/s" in line


def test_limits_that_cannot_be_read_stop_nobody(bench: Bench) -> None:
    bench.wire.fault = lambda request, _: unavailable if "/account/" in (request.url or "") else None
    bench.run(cycles=1)
    (line,) = bench.events("ERROR")
    assert "GET /account/limits" in line
    assert bench.client.limits.tier == "basic"
    assert_quoting_once(bench)


def test_the_shipped_environment_risks_nothing() -> None:
    import market_bot

    assert market_bot.env is Environment.SIM
