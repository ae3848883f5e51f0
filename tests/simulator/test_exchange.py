"""The exchange itself: an unfair one would teach the bot, and its users, the wrong things.

Who is served first, what a trade costs, whose cash is enough, and what is refused. Changes of orders that rest
are in `test_order_entry`, laws that hold whatever happens in `test_laws`.
"""

from __future__ import annotations

import signal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator import order_entry
from simulator.board import Board
from simulator.exchange import Exchange, Refusal
from simulator.fees import STANDARD, FeeTerms, charge
from simulator.listing import DECI
from simulator.matching import CONTRACT, DOLLAR, MatchingBook, Order
from simulator.opening import CUSTOMER, open_exchange
from simulator.order_entry import OrderTerms
from tests.support.bench import Bench
from tests.support.small_exchange import NOW, QUARTER, M, ask, bid, filled, held, listed, small_exchange, terms

INCOMING = st.tuples(
    st.booleans(), st.integers(1, 20).map(lambda n: n * 500 - 100), st.integers(1, 40), st.sampled_from("abc")
)


@given(st.lists(INCOMING, max_size=60))
def test_a_book_is_never_crossed_and_keeps_price_time_priority(
    incoming: list[tuple[bool, int, int, str]],
) -> None:
    """Each trade is at the best price, and the order that came first at that price is filled first."""
    book = MatchingBook()
    arrival: dict[int, int] = {}
    everyone: list[Order] = []
    for number, (is_bid, price, size, owner) in enumerate(incoming):
        order = Order("M", is_bid, price, size, owner=owner)
        arrival[id(order)] = number
        before = [(o.price, arrival[id(o)]) for o in everyone if o.is_bid != is_bid and o.remaining]
        everyone.append(order)
        trades, _ = book.match(order)
        for trade in trades:
            best = min(before)[0] if is_bid else max(before)[0]
            assert trade.price == best, "not the best price"
            assert arrival[id(trade.maker)] == min(n for p, n in before if p == best), "not the first"
            if not trade.maker.remaining:
                before.remove((trade.price, arrival[id(trade.maker)]))
        if order.status == "resting":
            book.half(is_bid).add(order)
        highest, lowest = book.bids.best(), book.asks.best()
        assert highest is None or lowest is None or highest < lowest


# -- what a trade costs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cents", "count", "fee_dollars"),
    [(52, 1, "0.0175"), (50, 100, "1.75"), (1, 1, "0.0007"), (99, 0.01, "0.0001"), (67, 2, "0.0310")],
)
def test_a_taker_pays_what_the_fee_schedule_says(cents: int, count: float, fee_dollars: str) -> None:
    """$0.0175 for 1 at $0.52 was measured on the real exchange."""
    exchange, _ = small_exchange()
    ask(exchange, "bob", cents, count)
    bid(exchange, "ann", cents, count)
    ann, bob = (exchange.accounts[name] for name in ("ann", "bob"))
    assert [fill.fee for fill in ann.fills] == [Fraction(fee_dollars) * DOLLAR]
    assert [fill.fee for fill in bob.fills] == [0], "a maker pays nothing in most series"
    assert ann.cash[0] == 500 * DOLLAR - round(cents * count * 10_000) - Fraction(fee_dollars) * DOLLAR


@pytest.mark.parametrize(
    ("fees", "fee_dollars"),
    [
        (STANDARD, "0"),
        (QUARTER, "0.0078"),  # measured on the real exchange
        (FeeTerms("quadratic_with_combo_maker_fees"), "0.0155"),
        (FeeTerms("quadratic_with_maker_fees", 0), "0"),
        (FeeTerms("quadratic_with_maker_fees", 200), "0.0155"),
    ],
)
def test_a_maker_pays_by_what_the_series_says(fees: FeeTerms, fee_dollars: str) -> None:
    exchange, _ = small_exchange()
    listed(exchange, "KXFEE-26-T1", fees=fees)
    bid(exchange, "ann", 67, 2, ticker="KXFEE-26-T1")
    ask(exchange, "bob", 67, 2, ticker="KXFEE-26-T1")
    assert exchange.accounts["ann"].fills[0].fee == Fraction(fee_dollars) * DOLLAR


def test_an_events_own_fees_go_before_its_series() -> None:
    exchange, _ = small_exchange()
    listed(exchange, "KXFEE-26-T1", fees=QUARTER, event_fees=STANDARD)
    bid(exchange, "ann", 67, 2, ticker="KXFEE-26-T1")
    ask(exchange, "bob", 67, 2, ticker="KXFEE-26-T1")
    assert exchange.accounts["ann"].fills[0].fee == 0


PIECES = st.lists(st.integers(1, 5_000), min_size=1, max_size=40)


@example(2_200, [5], True, STANDARD)  # $0.00006006 to be rounded up, on a cost that needs no rounding
@given(st.integers(1, 999).map(lambda n: n * 10), PIECES, st.booleans(), st.sampled_from([STANDARD, QUARTER]))
def test_many_small_fills_cost_what_one_would(
    price: int, pieces: list[int], is_taker: bool, fees: FeeTerms
) -> None:
    """To within $0.0001; a fill's own fee never falls below nothing, though, whatever is owed back."""
    order = Order("M", True, price, sum(pieces))
    charged = [charge(order, price * size, fees.exact(price, size, is_taker)) for size in pieces]
    at_once = fees.exact(price, sum(pieces), is_taker) / Fraction(10**10)
    assert all(fee >= 0 for fee in charged)
    assert sum(charged) >= at_once
    assert sum(charged) - at_once < 100 or charged[-1] < 100
    assert all((price * size + fee) % 100 == 0 for size, fee in zip(pieces, charged, strict=True))


def test_an_order_filled_in_ten_pieces_pays_one_rounding() -> None:
    """The fee of the whole order is at most one cent above the exact fee. Ten fills do not add ten roundings."""
    exchange, _ = small_exchange()
    listed(exchange, "KXFINE-26-T1", grid=DECI, fees=QUARTER)
    maker = bid(exchange, "ann", 33.3, 1, ticker="KXFINE-26-T1")
    for _ in range(10):
        ask(exchange, "bob", 33.3, 0.1, ticker="KXFINE-26-T1")
    assert maker.status == "executed"
    exact = Fraction("0.0175") * Fraction("0.333") * Fraction("0.667") * DOLLAR
    assert exact <= maker.maker_fees <= exact + 100
    assert exchange.accounts["ann"].cash[0] % 100 == 0


# -- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "status", "code", "says"),
    [
        (terms(True, 50.5, 1), 400, "invalid_price", ""),
        (terms(True, 0, 1), 400, "invalid_price", ""),
        (terms(False, 100, 1), 400, "invalid_price", ""),
        (terms(True, 50, 0), 400, "invalid_order_size", ""),
        (terms(True, 59, 1, post_only=True, time_in_force="immediate_or_cancel"), 400, "invalid_order", ""),
        (terms(True, 50, 10**6), 400, "insufficient_balance", ""),
        (terms(True, 50, 1, expires=NOW), 400, "invalid_order", "Expiration timestamp must be in the future"),
        (
            terms(True, 50, 1, expires=NOW + 9, time_in_force="immediate_or_cancel"),
            400,
            "invalid_order",
            "Cannot specify both immediate_or_cancel and expiration_time",
        ),
        (terms(True, 50, 1, expires=NOW * 1000), 400, "invalid_order", "expiration_time is in seconds"),
        (terms(True, 50, 1, reduce_only=True), 400, "invalid_order", ""),
        (terms(True, 50, 1, ticker="KXNONE-1"), 400, "market_not_found", ""),
        (terms(True, 50, 1, shard=2), 400, "market_not_found", ""),
        (terms(True, 50, 1, client_order_id="used"), 409, "order_already_exists", "order already exists"),
        (terms(True, 50, 1, group_id="none"), 400, "order_group_not_found", ""),
        (
            terms(True, 60, 6, time_in_force="fill_or_kill"),
            409,
            "fill_or_kill_insufficient_resting_volume",
            "",
        ),
    ],
)
def test_a_bad_order_is_refused_as_on_the_real_exchange(
    wanted: OrderTerms, status: int, code: str, says: str
) -> None:
    """The simulator refuses the order with the real exchange's status, code and words. The order leaves no
    trace in the account or in the book."""
    exchange, market = small_exchange()
    ask(exchange, "bob", 60, 5)
    used = bid(exchange, "ann", 1, 1, client_order_id="used")
    order_entry.cancel(exchange, "ann", used.order_id, 0)
    before = (len(exchange.accounts["ann"].orders), market.book.bids.levels(), market.book.asks.levels())
    with pytest.raises(Refusal) as no:
        order_entry.create(exchange, "ann", wanted)
    assert (no.value.status, no.value.code) == (status, code)
    assert says in f"{no.value.message} {no.value.details}"
    after = (len(exchange.accounts["ann"].orders), market.book.bids.levels(), market.book.asks.levels())
    assert after == before
    assert exchange.accounts["ann"].client_order_ids - {""} == {"used"}


def test_immediate_and_fill_or_kill_orders_never_rest() -> None:
    """The exchange cancels what an immediate order does not fill. It fills a fill-or-kill order whole or
    refuses it."""
    exchange, market = small_exchange()
    ask(exchange, "bob", 60, 5)
    rest = bid(exchange, "ann", 60, 7, time_in_force="immediate_or_cancel")
    assert (rest.status, rest.filled, rest.remaining) == ("canceled", 500, 0)
    assert exchange.resting("ann") == market.book.bids.levels() == []
    ask(exchange, "bob", 60, 2)
    ask(exchange, "bob", 61, 2)
    whole = bid(exchange, "ann", 61, 4, time_in_force="fill_or_kill")
    assert (whole.status, whole.filled) == ("executed", 400)
    ask(exchange, "bob", 62, 2)
    ask(exchange, "ann", 62, 2)
    with pytest.raises(Refusal, match="fill_or_kill"):
        bid(exchange, "ann", 62, 3, time_in_force="fill_or_kill", self_trade_prevention="maker")


def test_a_fill_or_kill_does_not_count_behind_its_owners_order() -> None:
    """Contracts that lie behind an order of the same owner do not count. They count if self-trade prevention
    cancels the resting order instead."""
    exchange, market = small_exchange()
    for owner, cents in (("bob", 60), ("ann", 61), ("bob", 62)):
        ask(exchange, owner, cents, 2)
    with pytest.raises(Refusal, match="fill_or_kill"):
        bid(exchange, "ann", 62, 4, time_in_force="fill_or_kill")
    assert market.book.asks.total == 600
    whole = bid(exchange, "ann", 62, 4, time_in_force="fill_or_kill", self_trade_prevention="maker")
    assert (whole.status, market.book.asks.total) == ("executed", 0)


def test_ones_own_orders_do_not_trade_with_each_other() -> None:
    exchange, _ = small_exchange()
    resting = ask(exchange, "ann", 60, 5)
    taker = bid(exchange, "ann", 60, 3)
    assert (taker.status, taker.filled, resting.remaining) == ("canceled", 0, 500)
    ask(exchange, "bob", 60, 2)
    taker = bid(exchange, "ann", 60, 3, self_trade_prevention="maker")
    assert (resting.status, taker.filled) == ("canceled", 200)
    assert exchange.resting("ann") == [taker]


def test_a_taker_that_meets_its_owners_order_keeps_its_fills() -> None:
    """The taker keeps what it got before and is then canceled. Its owner's own order goes on resting."""
    exchange, _ = small_exchange()
    ask(exchange, "bob", 59, 2)
    own = ask(exchange, "ann", 60, 5)
    taker = bid(exchange, "ann", 60, 3)
    assert (taker.status, taker.filled, own.status) == ("canceled", 200, "resting")
    assert held(exchange.accounts["ann"]) == 2


def test_reduce_only_never_opens_a_position() -> None:
    exchange, _ = small_exchange()
    bid(exchange, "bob", 40, 50)
    immediate = {"time_in_force": "immediate_or_cancel", "reduce_only": True}
    assert filled([ask(exchange, "ann", 40, 3, **immediate)]) == [0]
    ask(exchange, "bob", 60, 2)
    bid(exchange, "ann", 60, 2)
    assert filled([ask(exchange, "ann", 40, 9, **immediate)]) == [2]
    assert held(exchange.accounts["ann"]) == 0


def test_a_partial_sale_keeps_the_cost_of_what_is_left() -> None:
    """What is held costs what was paid for the part that is left. The gain or loss on the sold part counts as
    realized."""
    exchange, _ = small_exchange()
    ask(exchange, "bob", 60, 10)
    bid(exchange, "ann", 60, 10)
    bid(exchange, "bob", 70, 4)
    ask(exchange, "ann", 70, 4)
    ann, bob = (exchange.accounts[name].holdings[M] for name in ("ann", "bob"))
    assert (ann.count, ann.cost, ann.realized) == (600, 3_600_000, 400_000)
    assert (bob.count, bob.cost, bob.realized) == (-600, 2_400_000, -400_000)
    bid(exchange, "bob", 70, 9)
    ask(exchange, "ann", 70, 9)
    assert (ann.count, ann.cost, ann.realized) == (-300, 900_000, 1_000_000)
    assert ann.traded == 10 * 600_000 + 13 * 300_000


# -- whose cash is enough ----------------------------------------------------------------------------------------


def test_a_sale_pays_its_fee_out_of_what_it_brings_in() -> None:
    exchange, _ = small_exchange()
    ask(exchange, "bob", 60, 10)
    bid(exchange, "ann", 60, 10)
    bid(exchange, "bob", 40, 10)
    ann = exchange.accounts["ann"]
    ann.cash[0] = 0
    assert ask(exchange, "ann", 40, 10, time_in_force="immediate_or_cancel").status == "executed"
    assert ann.cash[0] == 4 * DOLLAR - STANDARD.at_most(4_000, 10 * CONTRACT)


def test_a_taker_needs_the_cash_for_its_fee_too() -> None:
    exchange, _ = small_exchange()
    ask(exchange, "bob", 50, 10)
    ann = exchange.accounts["ann"]
    fee = STANDARD.at_most(5_000, 10 * CONTRACT)
    ann.cash[0] = 5 * DOLLAR + fee - 1
    with pytest.raises(Refusal, match="insufficient_balance"):
        bid(exchange, "ann", 50, 10)
    ann.cash[0] += 1
    bid(exchange, "ann", 50, 10)
    assert ann.cash[0] == 0


def test_a_holding_covers_no_more_sales_than_its_contracts() -> None:
    """Without cash, resting sales pass only up to the number of contracts that are held. The exchange refuses
    one that goes beyond."""
    exchange, _ = small_exchange()
    ask(exchange, "bob", 50, 10)
    bid(exchange, "ann", 50, 10)
    exchange.accounts["ann"].cash[0] = 0
    ask(exchange, "ann", 90, 7)
    with pytest.raises(Refusal, match="insufficient_balance"):
        ask(exchange, "ann", 90, 7)
    ask(exchange, "ann", 90, 3)


def test_a_resting_sale_cannot_spend_what_it_has_not_brought_in() -> None:
    """Without cash, the exchange refuses a sale that mostly rests and goes beyond the holding. A sale of the
    holding alone leaves no negative cash."""
    exchange, _ = small_exchange()
    ask(exchange, "bob", 60, 10)
    bid(exchange, "ann", 60, 10)
    bid(exchange, "bob", 60, 1)
    exchange.accounts["ann"].cash[0] = 0
    with pytest.raises(Refusal, match="insufficient_balance"):
        ask(exchange, "ann", 60, 20)
    ask(exchange, "ann", 60, 10)
    assert exchange.free_cash(exchange.accounts["ann"], 0) >= 0


def test_cash_on_another_shard_cannot_be_spent() -> None:
    exchange, _ = small_exchange()
    listed(exchange, "KXCRYPTO-26-T1", shard=2)
    with pytest.raises(Refusal, match="insufficient_balance"):
        bid(exchange, "ann", 50, 1, ticker="KXCRYPTO-26-T1", shard=2)


# -- one exchange, one seed --------------------------------------------------------------------------------------


def test_the_same_seed_and_requests_give_the_same_exchange() -> None:
    """Orders, their times and the bids of the book are the same. Another seed gives others."""

    def story(seed: int) -> list[object]:
        exchange, market = small_exchange(seed)
        orders = [bid(exchange, "ann", 40 + n, 1) for n in range(8)]
        order_entry.cancel_all(exchange, "ann")
        orders += [bid(exchange, "ann", 40 + n, 1) for n in range(8)]
        exchange.advance(NOW + 100)
        return [(o.order_id, o.status, o.updated) for o in orders] + [*market.book.bids.levels()]

    assert story(5) == story(5) != story(6)


def tape(exchange: Exchange) -> list[object]:
    return [(m.ticker, m.volume, m.book.bids.levels(), m.book.asks.levels()) for m in exchange.markets.values()]


def test_the_same_seed_is_the_same_hour_in_steps_of_any_size() -> None:
    """Volumes and books are the same whether time moves an hour in one step or in many. Another seed gives
    another hour."""
    hours = [open_exchange(NOW, seed, programs=12) for seed in (5, 5, 6)]
    for exchange, step in zip(hours, (3_600.0, 37.5, 3_600.0), strict=True):
        for n in range(1, round(3_600 / step) + 1):
            exchange.advance(NOW + n * step)
    assert tape(hours[0]) == tape(hours[1])
    assert tape(hours[0]) != tape(hours[2])


def test_people_come_and_go_alike_whatever_the_customer_does() -> None:
    busy, idle = open_exchange(NOW, 5, programs=40, past=0), Exchange(NOW, 5)
    Board(idle).invented(40)
    for exchange in (busy, idle):
        exchange.advance(NOW + 3_600)
    touched = {order.ticker for order in busy.accounts[CUSTOMER].orders.values()}
    quiet = [ticker for ticker in busy.markets if ticker not in touched]
    assert sum(busy.markets[ticker].volume > 0 for ticker in quiet) > 5
    for ticker in quiet:
        assert busy.markets[ticker].volume == idle.markets[ticker].volume


def test_ctrl_c_does_not_stop_an_exchange_half_way(bench: Bench) -> None:
    """Ctrl-C that comes while the exchange works on an order or a request takes effect only after that. The
    exchange still answers then."""
    happened = []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs start with it ignored

    def strike() -> None:
        signal.raise_signal(signal.SIGINT)
        happened.append("the exchange went on")

    exchange = bench.exchange.api.exchange
    exchange.at(exchange.now, strike)
    with pytest.raises(KeyboardInterrupt):
        bench.client.get_exchange_status()
    assert happened
    bench.client.get_exchange_status()


def test_an_account_is_found_in_use_and_paid_for_it(bench: Bench) -> None:
    assert len(bench.resting()) == 2
    assert sorted(bench.held().values()) == [-300, 300]
    assert sum(bench.account.cash.values()) < 1_500 * DOLLAR
    assert M not in bench.exchange.api.exchange.markets
