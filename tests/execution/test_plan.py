"""The laws of a plan, over random accounts, books, targets and limits: what money may not depend on luck for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

import trade
from exchange.account import Position
from exchange.models import Market, MarketStatus, Order
from exchange.orderbook import NO, SIDES, YES, Bid, Book, Level, Side
from exchange.reserves import FreeCash
from execution.exits import Exit
from execution.plan import AmendKind, Plan, TargetQuote, Targets, make_plan
from risk.gate import Gate, Limits, RefusalCode, TradingState
from tests.support.builders import (
    AMPLE,
    BOOK,
    CENTS,
    FINE_BELOW,
    TAPERED,
    UNTIL,
    cents,
    held,
    market,
    order,
    state,
)

D = Decimal
GROUPS = {0: "group-0", 1: "group-1"}


def quote(side: Side, price: str, count: float = 5, ticker: str = "KXA-1") -> TargetQuote:
    return TargetQuote(market(ticker=ticker), Bid(side, D(price), D(str(count))), UNTIL, D(str(count)))


def targets(*quotes: TargetQuote, **more: object) -> Targets:
    return replace(Targets(quotes, until=UNTIL), **more)  # type: ignore[arg-type]


# -- one by one ------------------------------------------------------------------------------------------------


def test_a_wanted_order_stays_and_keeps_its_place() -> None:
    """An order that is what is wanted costs one request, a renewal with the same price and count. The plan
    cancels and places nothing."""
    resting = order("KXA-1", YES, "0.49", 5)
    made = make_plan(state(orders=(resting,)), targets(quote(YES, "0.49")), GROUPS)
    (amendment,) = made.amendments
    assert (amendment.order, amendment.kind, amendment.until) == (resting, AmendKind.RENEW, UNTIL)
    assert amendment.bid == resting.bid
    assert not made.cancels
    assert not made.orders


def test_an_order_moves_in_place_without_a_gap() -> None:
    resting = order("KXA-1", YES, "0.47", 5)
    made = make_plan(state(orders=(resting,)), targets(quote(YES, "0.49")), GROUPS)
    (amendment,) = made.amendments
    assert (amendment.kind, amendment.bid.price) == (AmendKind.REPLACE, D("0.49"))
    assert not made.cancels


def test_a_move_that_could_meet_the_book_is_made_post_only() -> None:
    """The bot cancels such an order and places it anew as post-only, because an amend might take."""
    resting = order("KXA-1", YES, "0.47", 5)
    tight = Book("KXA-1", cents((53, 100)), cents((46, 100)))  # 0.54 is asked
    made = make_plan(state(orders=(resting,), books={"KXA-1": tight}), targets(quote(YES, "0.53")), GROUPS)
    assert [one for one, _ in made.cancels] == [resting]
    (placed,) = made.orders
    assert placed.post_only
    assert placed.bid.price == D("0.53")
    assert not made.amendments


def test_a_filled_part_is_topped_up_and_an_excess_is_taken_off() -> None:
    """An amend brings an order that was filled in part back to its wanted size. A decrease brings an order that
    is too large down to it."""
    resting = order("KXA-1", YES, "0.49", 2, filled=3), order("KXA-1", NO, "0.44", 9, "2")
    made = make_plan(state(orders=resting), targets(quote(YES, "0.49"), quote(NO, "0.44")), GROUPS)
    assert {(one.order.side, one.kind, one.bid.count) for one in made.amendments} == {
        (YES, AmendKind.REPLACE, D(5)),
        (NO, AmendKind.REDUCE, D(5)),
    }


def test_renewals_go_out_before_whatever_else_rests_is_changed() -> None:
    markets = {f"KXA-{n}": market(ticker=f"KXA-{n}") for n in range(4)}
    orders = tuple(
        order(ticker, YES, price, 5, ticker) for ticker, price in zip(markets, ("0.47", "0.49") * 2, strict=True)
    )
    books = {ticker: BOOK._replace(ticker=ticker) for ticker in markets}
    quotes = [quote(YES, "0.49", ticker=ticker) for ticker in markets]
    made = make_plan(state(orders=orders, markets=markets, books=books), targets(*quotes), GROUPS)
    changes = [one.kind for one in made.amendments]
    assert changes == [AmendKind.RENEW] * 2 + [AmendKind.REPLACE] * 2


def test_a_quote_outside_its_order_group_is_placed_anew() -> None:
    """Outside the group nothing would stop the fills of the quote. The bot cancels it and places it in the
    group."""
    resting = order("KXA-1", YES, "0.49", 5, group=None)
    made = make_plan(state(orders=(resting,)), targets(quote(YES, "0.49")), GROUPS)
    assert [one for one, _ in made.cancels] == [resting]
    assert [one.group_id for one in made.orders] == ["group-0"]


def test_what_is_not_wanted_goes_and_what_a_person_rests_stays() -> None:
    ours, theirs = order("KXA-1", YES, "0.49", 5), order("KXA-1", NO, "0.40", 7, "2", ours=False)
    made = make_plan(state(orders=(ours, theirs)), targets(), GROUPS)
    assert [one for one, _ in made.cancels] == [ours]


def test_a_market_off_its_target_for_now_keeps_its_orders() -> None:
    """If a market misses its target for now, the bot renews its orders with the same price and count."""
    resting = order("KXA-1", YES, "0.43", 3)
    made = make_plan(state(orders=(resting,)), targets(keep={"KXA-1"}), GROUPS)
    assert [(one.kind, one.bid) for one in made.amendments] == [(AmendKind.RENEW, resting.bid)]
    assert made.places == {("KXA-1", YES)}


def test_where_nothing_can_be_seen_nothing_is_touched() -> None:
    resting = order("KXA-1", YES, "0.49", 5)
    made = make_plan(state(orders=(resting,), positions=(held("KXA-1", 3),)), targets(leave={"KXA-1"}), GROUPS)
    assert made.is_empty
    assert [one.reason for one in made.unsold] == ["its orders could not be read"]


def test_a_sale_takes_the_best_bid_and_its_side_is_not_quoted() -> None:
    """The bot cancels its own bid on that side and does not quote it before the position is gone. The quote on
    the other side stays."""
    resting = order("KXA-1", YES, "0.50", 5), order("KXA-1", NO, "0.44", 5, "2")
    made = make_plan(
        state(orders=resting, positions=(held("KXA-1", 3),)),
        targets(quote(YES, "0.50"), quote(NO, "0.44")),
        GROUPS,
    )
    (sale,) = made.exits
    assert sale.order.bid == Bid(NO, D("0.50"), D(3))
    assert sale.order.reduce_only
    assert [one.order_id for one, _ in made.cancels] == ["1"], "our own bid there would be canceled by the sale"
    assert [one.order.order_id for one in made.amendments] == ["2"]


def test_a_resting_exit_takes_its_quotes_place() -> None:
    """The quote waits ticks behind the best bid, which the exit joins with what is held, and no more. The quote on
    the held side is smaller by what is held."""
    resting = order("KXA-1", NO, "0.44", 5)
    rest = targets(quote(YES, "0.49"), quote(NO, "0.44"), exit=Exit.REST)
    made = make_plan(state(orders=(resting,), positions=(held("KXA-1", 3),)), rest, GROUPS)
    assert not made.exits
    assert [(one.kind, one.bid) for one in made.amendments] == [(AmendKind.REPLACE, Bid(NO, D("0.45"), D(3)))]
    assert [(one.bid.side, one.bid.count) for one in made.orders] == [(YES, D(2))], "3 are held of 5"


def test_a_resting_exit_without_a_quote_rests_in_no_group() -> None:
    """The exit is a post-only order that rests beside the best bid."""
    made = make_plan(state(positions=(held("KXA-1", -3),)), targets(exit=Exit.REST), GROUPS)
    (placed,) = made.orders
    assert placed.bid == Bid(YES, D("0.50"), D(3))
    assert placed.post_only
    assert placed.group_id is None


def test_a_position_that_cannot_be_closed_blocks_its_market() -> None:
    """The plan lists the position as unsold and places no new order in its market. Other markets are quoted."""
    markets = {ticker: market(ticker=ticker) for ticker in ("KXA-1", "KXB-1")}
    books = {"KXA-1": Book("KXA-1", (), BOOK.no), "KXB-1": BOOK._replace(ticker="KXB-1")}
    made = make_plan(
        state(markets=markets, books=books, positions=(held("KXA-1", 3),)),
        targets(quote(NO, "0.44"), quote(NO, "0.44", ticker="KXB-1")),
        GROUPS,
    )
    assert [one.reason for one in made.unsold] == ["there are no bids for yes"]
    assert [one.ticker for one in made.orders] == ["KXB-1"]
    assert [(one.order.ticker, one.code) for one in made.refused] == [("KXA-1", RefusalCode.NOT_CLEARED)]


def test_orders_beyond_the_limits_are_canceled() -> None:
    """If the limits do not allow a resting order any more, the plan cancels it and names the limit."""
    resting = order("KXA-1", YES, "0.49", 5)
    tight = state(orders=(resting,), limits=AMPLE._replace(max_capital=D(2)))
    made = make_plan(tight, targets(quote(YES, "0.49")), GROUPS)
    assert [one for one, _ in made.cancels] == [resting]
    assert [one.code for one in made.refused] == [RefusalCode.MAX_CAPITAL]


# -- laws ------------------------------------------------------------------------------------------------------

TICKERS = ("KXA-1", "KXA-2", "KXB-1", "KXB-2")
COUNTS = st.integers(1, 40).map(lambda n: D(n) / 4)


@st.composite
def sides(draw: st.DrawFn, one: Market, side: Side, top: int) -> tuple[Level, ...]:
    """Up to four levels, the best of them `top` ticks up at most."""
    ticks = draw(st.lists(st.integers(1, max(top, 1)), max_size=4, unique=True))
    return tuple(Level(one.grid.price(side, tick), draw(COUNTS) * 10) for tick in sorted(ticks, reverse=True))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[TradingState, Targets]:
    markets: dict[str, Market] = {}
    books: dict[str, Book] = {}
    quotes: list[TargetQuote] = []
    orders: list[Order] = []
    positions: list[Position] = []
    for number, ticker in enumerate(TICKERS):
        grid = draw(st.sampled_from((CENTS, TAPERED, FINE_BELOW)))
        status = draw(st.sampled_from([MarketStatus.ACTIVE] * 6 + [MarketStatus.INACTIVE]))
        one = market(grid, ticker=ticker, shard=int(ticker.startswith("KXB")))._replace(status=status)
        markets[ticker] = one
        yes = draw(sides(one, YES, grid.ticks(YES, D("0.9"))))
        room = D(1) - yes[0].price if yes else D("0.95")
        books[ticker] = Book(ticker, yes, draw(sides(one, NO, grid.ticks(NO, room) - 1)))
        for side in SIDES:
            steps = st.integers(1, grid.ticks(side, D("0.99")))
            if draw(st.booleans()):
                bid = Bid(side, grid.price(side, draw(steps)), draw(COUNTS))
                quotes.append(TargetQuote(one, bid, UNTIL, bid.count))
            for place in range(draw(st.sampled_from((0, 0, 1, 1, 2)))):
                ours, name = draw(st.integers(0, 5)) > 0, f"{number}-{side.value}-{place}"
                group = draw(st.sampled_from((GROUPS[one.exchange_index or 0], None)))
                price = quotes[-1].bid.price if quotes and draw(st.booleans()) else grid.price(side, draw(steps))
                across = [one.price for one in orders if one.ticker == ticker and one.side is side.other]
                if grid.floor(side, price) != price or any(price + other >= 1 for other in across):
                    continue
                orders.append(order(ticker, side, price, draw(COUNTS), name, ours, one.exchange_index or 0,
                                    draw(st.sampled_from((60, 120))), draw(st.integers(0, 3)), group))  # fmt: skip
        if draw(st.integers(0, 3)) == 0:
            count = draw(COUNTS) * draw(st.sampled_from((1, -1)))
            positions.append(Position(ticker, count, abs(count) * D(draw(st.integers(1, 99))) / 100, 0, D("0.07")))
    dollars = st.integers(0, 60).map(D)
    by_shard = {shard: draw(dollars) for shard in (0, 1)} if draw(st.booleans()) else {}
    balance = FreeCash(sum(by_shard.values(), D(0)) if by_shard else draw(dollars), by_shard)
    limits = Limits(draw(dollars), draw(dollars), 1_000)
    exclusive = frozenset(draw(st.sets(st.sampled_from(("KXA", "KXB")))))
    some = st.sets(st.sampled_from(TICKERS), max_size=1)
    keep = draw(some)
    wanted = [one for one in draw(st.permutations(quotes)) if one.market.ticker not in keep]
    leave = draw(some)
    return (
        TradingState(limits, tuple(orders), tuple(positions), draw(st.sampled_from((balance, None))), markets,
                     books, exclusive=exclusive),
        Targets([one for one in wanted if one.market.ticker not in leave], keep - leave, leave, UNTIL,
                draw(st.sampled_from(Exit))),
    )  # fmt: skip


def after(now: TradingState, made: Plan, sold: bool = True) -> TradingState:
    """The account when all of a plan is done."""
    gone = {one.order_id for one, _ in made.cancels}
    amended = {one.order.order_id: one for one in made.amendments}
    orders = []
    for one in now.orders:
        change = amended.get(one.order_id)
        if one.order_id in gone:
            continue
        if change:
            bid = change.bid
            one = one._replace(
                price=bid.price, remaining=bid.count, asked=one.filled + bid.count, expires=change.until
            )
        orders.append(one)
    for number, new in enumerate(made.orders):
        bid = new.bid
        orders.append(order(new.ticker, bid.side, bid.price, bid.count, f"new-{number}", True,
                            new.exchange_index or 0, 120, 0, new.group_id))  # fmt: skip
    closed = {one.position.ticker: one.order.bid.count / one.position.size for one in made.exits if sold}
    left = {one: 1 - closed.get(one.ticker, D(0)) for one in now.positions}
    positions = tuple(
        replace(one, count=one.count * part, exposure=one.exposure * part) for one, part in left.items() if part
    )
    balance = now.cash
    if balance is not None:
        before, then = tied_by_shard(now, now.orders), tied_by_shard(now, orders)
        by_shard = {shard: cash + before[shard] - then[shard] for shard, cash in balance.by_shard.items()}
        freed = sum(before.values(), D(0)) - sum(then.values(), D(0))
        balance = FreeCash(balance.total + freed, by_shard)
    books = dict(now.books)
    for sale in made.exits if sold else ():  # what it took rests no more
        ticker, side, left_to_take = sale.position.ticker, sale.position.side, sale.order.bid.count
        for level in books[ticker].side(side):
            part = min(level.size, left_to_take)
            books[ticker] = books[ticker].without_bids([Bid(side, level.price, part)])
            left_to_take -= part
    return replace(now, orders=tuple(orders), positions=positions, cash=balance, books=books)


def holding(now: TradingState, ticker: str, side: Side) -> Decimal:
    count = sum((one.count for one in now.positions if one.ticker == ticker), D(0))
    return count if side is YES else -count


def tied_by_shard(now: TradingState, orders: Sequence[Order]) -> Mapping[int, Decimal]:
    """Cash that orders need, those apart that sell what is held, the best-priced first."""
    tied: dict[int, Decimal] = defaultdict(Decimal)
    for ticker in {one.ticker for one in orders}:
        for side in SIDES:
            closes = max(-holding(now, ticker, side), D(0))
            here = [one for one in orders if (one.ticker, one.side) == (ticker, side)]
            for one in sorted(here, key=lambda one: -one.price):
                opens = max(one.remaining - closes, D(0))
                closes -= min(closes, one.remaining)
                tied[one.exchange_index or 0] += one.price * opens
    return tied


def fees(one: Position) -> Decimal:
    """At most what was paid in the market, and what the dearest fee on what is held now would be, to the cent."""
    dearest = D("0.14") * one.exposure * max(1 - one.exposure / one.size, D(0))
    return min(one.fees, dearest.quantize(D("0.01"), ROUND_CEILING))


def worst(now: TradingState, event: str) -> Decimal:
    """By the definition: for each outcome what is held gains or loses, and each order loses what it can; the
    worst of them."""
    tickers = [ticker for ticker in TICKERS if ticker.startswith(event)]

    def outcome(ticker: str, winner: Side) -> Decimal:
        total = D(0)
        for one in now.positions:
            if one.ticker == ticker:
                total += (one.size if one.side is winner else 0) - one.exposure - fees(one)
        for resting in now.orders:
            if resting.ticker == ticker:
                paid = resting.remaining if resting.side is winner else D(0)
                total += min(D(0), paid - resting.price * resting.remaining)
        return total

    if event not in now.exclusive:
        return sum((max(-outcome(one, YES), -outcome(one, NO), D(0)) for one in tickers), D(0))
    outcomes = [{other: YES if other == one else NO for other in tickers} for one in [*tickers, "none"]]
    return max(D(0), *(-sum((outcome(t, won) for t, won in each.items()), D(0)) for each in outcomes))


def ours(orders: Iterable[Order]) -> list[Order]:
    return [one for one in orders if trade.is_own(one)]


@settings(max_examples=70)
@given(worlds())
def test_no_plan_breaks_a_limit_even_if_its_sales_fail(world: tuple[TradingState, Targets]) -> None:
    """Event loss, capital and cash stay within their limits whether what the plan sells is sold or not."""
    now, wanted = world
    made = make_plan(now, wanted, GROUPS)
    then = after(now, made, sold=False)
    decided = [one for one in ours(then.orders) if one.ticker not in wanted.leave]
    for event in {one.ticker.partition("-")[0] for one in decided}:
        assert worst(then, event) <= now.limits.max_event_loss
        assert Gate(then, {}).risks()[event] == worst(then, event)
    if decided:
        tied = sum(tied_by_shard(then, then.orders).values(), D(0))
        assert tied + sum((one.exposure for one in now.positions), D(0)) <= now.limits.max_capital
        assert then.cash is None or then.cash.total >= 0
        placed = {one.exchange_index or 0 for one in made.orders}
        assert then.cash is None or all(then.cash.by_shard.get(shard, D(0)) >= 0 for shard in placed)


@settings(max_examples=70)
@given(worlds())
def test_no_plan_crosses_or_leaves_two_orders_on_one_side(
    world: tuple[TradingState, Targets],
) -> None:
    """No new order crosses the book or could trade with another order of the account. No two orders of one
    intent rest, and a sale takes the best bids, down to the one that its whole position needs."""
    now, wanted = world
    made = make_plan(now, wanted, GROUPS)
    then = after(now, made, sold=False)
    seen = set()
    for one in ours(then.orders):
        if one.ticker in wanted.leave:
            continue
        place = one.ticker, one.side
        assert place not in seen
        seen.add(place)
        others = [o for o in then.orders if o.ticker == one.ticker and o.side is one.side.other]
        fresh = one.order_id.startswith("new") or one not in now.orders
        assert not fresh or all(one.price + other.price < 1 for other in others)
        size = made.sizes[place]
        assert holding(now, *place) + one.remaining <= size
    for new in made.orders:
        best = now.books[new.ticker].best(new.bid.side.other)
        assert best is None or new.bid.price + best.price < 1
        assert new.post_only
        assert new.expires == UNTIL
    for sale in made.exits:
        count, worst = sale.order.bid.count, sale.order.bid.other_price
        levels = now.books[sale.position.ticker].side(sale.position.side)
        assert count == min(sale.position.size, sum((one.size for one in levels if one.price >= worst), D(0)))
        assert sum((one.size for one in levels if one.price > worst), D(0)) < count, "no level is needed less"
        staying = [o for o in then.orders if o.ticker == sale.position.ticker and o.side is sale.position.side]
        assert all(one.price < worst for one in staying)
        below = [one.price for one in levels if one.price < worst]
        assert count == sale.position.size or not below or any(one.price >= below[0] for one in staying)


@settings(max_examples=70)
@given(worlds())
def test_no_plan_touches_an_order_that_it_should_not(world: tuple[TradingState, Targets]) -> None:
    now, wanted = world
    made = make_plan(now, wanted, GROUPS)
    touched = [one for one, _ in made.cancels] + [one.order for one in made.amendments]
    assert all(trade.is_own(one) and one.ticker not in wanted.leave for one in touched)
    assert len({one.order_id for one in touched}) == len(touched)
    assert all(new.ticker not in wanted.leave for new in made.orders)
    named = {one.place for one in wanted.quotes}
    exits = {(one.ticker, one.side.other) for one in now.positions} if wanted.exit is Exit.REST else set()
    assert {(new.ticker, new.bid.side) for new in made.orders} <= named | exits


@settings(max_examples=70)
@given(worlds())
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(world: tuple[TradingState, Targets]) -> None:
    """But on the side of what was sold, which may be quoted again, and whatever more the limits then allow."""
    now, wanted = world
    made = make_plan(now, wanted, GROUPS)
    then = after(now, made)
    again = make_plan(then, wanted, GROUPS)
    if not made.exits:
        assert again.is_empty, (made, again)
    assert make_plan(after(then, again), wanted, GROUPS).is_empty
    assert made == make_plan(now, wanted, GROUPS)
