"""Laws of the exchange, whatever anybody does: nothing is bought that nobody sold, no cash appears or vanishes, no
book is crossed, and what is refused changes nothing. A walk by dice tries every request there is, in any state."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import lifecycle, order_entry, order_groups, pauses
from simulator.account import Account, Fill
from simulator.exchange import Exchange, Refusal
from simulator.listing import DECI, LINEAR, TAPERED, ListedMarket, ListedProgram
from simulator.matching import CONTRACT, DOLLAR, Order
from simulator.order_entry import Amendment, OrderTerms
from tests.support.small_exchange import NOW, QUARTER, listed

OWNERS = ("ann", "bob", "cat")
OPENING = {0: 40 * DOLLAR, 3: 15 * DOLLAR}
KNOWN_REFUSALS = {
    "insufficient_balance", "invalid_order", "invalid_order_size", "invalid_price", "market_closed",
    "trading_is_paused", "exchange_is_paused", "fill_or_kill_insufficient_resting_volume",
    "order_already_exists", "exceeded_order_group_risk_limit", "order_group_not_found", "not_found",
    "market_inactive",
}  # fmt: skip


class Walk:
    """Three accounts and a crowd on three markets: whole cents; 0.1 cent with makers' fees; another shard. One
    or two of them end within the walk."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.exchange = Exchange(NOW, seed)
        self.markets = [
            listed(self.exchange, "KXA-26-T1", result="yes", closes_in=150),
            listed(self.exchange, "KXB-26-T1", grid=DECI, fees=QUARTER, result=4_500, closes_in=250),
            listed(self.exchange, "KXC-26-T1", shard=3, grid=TAPERED, result="yes", closes_in=1e5, opens_in=30),
        ]
        for owner in OWNERS:
            self.exchange.open_account(owner, OPENING)
        for market, kind in ((self.markets[0], "liquidity"), (self.markets[1], "volume")):
            lifecycle.list_program(
                self.exchange,
                ListedProgram(
                    self.exchange.next_number(), self.exchange.new_id(), market.ticker, kind, NOW, market.closes,
                    5_000_000, 3 * CONTRACT, 5_000,
                ),
            )  # fmt: skip
        self.refused: Counter[str] = Counter()

    def step(self) -> None:
        """Somebody asks for something. A refusal must be a known one, and change nothing."""
        owner, market = self.dice.choice(OWNERS), self.dice.choice(self.markets)
        act = self.dice.choices([act for act, _ in ACTS], [weight for _, weight in ACTS])[0]
        before, account = self.state(), self.exchange.accounts[owner]
        try:
            act(self, owner, market)
        except Refusal as no:
            assert no.code in KNOWN_REFUSALS
            self.refused[no.code] += 1
            kept = account.orders.popitem()[1] if no.details == "post only cross" else None
            if kept is not None:  # it stays in the list, as canceled
                assert (kept.status, kept.filled, kept.remaining) == ("canceled", 0, 0)
                account.client_order_ids.discard(kept.client_order_id)
            assert self.state() == before, f"refused ({no}), and yet something changed"
            if kept is not None:
                account.orders[kept.order_id] = kept
                account.client_order_ids.add(kept.client_order_id)

    def state(self) -> list[Any]:
        exchange = self.exchange
        orders = [
            (o.order_id, o.price, o.size, o.filled, o.status, o.expires, o.client_order_id)
            for account in exchange.accounts.values()
            for o in account.orders.values()
        ]
        money = [(dict(a.cash), len(a.fills), len(a.client_order_ids - {""})) for a in exchange.accounts.values()]
        books = [(m.book.bids.levels(), m.book.asks.levels(), m.volume) for m in self.markets]
        return [orders, money, books]

    # -- what may happen -----------------------------------------------------------------------------------

    def price(self, market: ListedMarket) -> int:
        """Mostly around the middle, sometimes off the grid."""
        if self.dice.random() < 0.03:
            return self.dice.randint(0, 10_000)
        return market.grid.nearest(5_000, self.dice.randint(-8, 8)) if self.dice.random() < 0.8 else (
            market.grid.nearest(self.dice.randint(1, 9_999))
        )  # fmt: skip

    def size(self) -> int:
        return self.dice.choice((1, self.dice.randint(0, 500), self.dice.randint(1, 20) * 100, 9_000))

    def create(self, owner: str, market: ListedMarket) -> None:
        dice, groups = self.dice, list(self.exchange.accounts[owner].groups)
        order_entry.create(
            self.exchange,
            owner,
            OrderTerms(
                market.ticker,
                dice.random() < 0.5,
                self.price(market),
                self.size(),
                client_order_id=dice.choice(("", f"{owner}-{dice.randint(0, 400)}")),
                time_in_force=dice.choices(
                    ("good_till_canceled", "immediate_or_cancel", "fill_or_kill"), (8, 2, 1)
                )[0],
                self_trade_prevention=dice.choice(("maker", "taker_at_cross")),
                post_only=dice.random() < 0.1,
                reduce_only=dice.random() < 0.05,
                cancel_on_pause=dice.random() < 0.3,
                expires=self.exchange.now + dice.randint(0, 90) if dice.random() < 0.15 else None,
                group_id=dice.choice(groups) if groups and dice.random() < 0.3 else None,
            ),
        )

    def some_order(self, owner: str) -> Order | None:
        orders = self.exchange.resting(owner) or list(self.exchange.accounts[owner].orders.values())
        return self.dice.choice(orders) if orders else None

    def amend(self, owner: str, _: ListedMarket) -> None:
        order, dice = self.some_order(owner), self.dice
        if order is not None:
            size = dice.choice((order.size, max(order.size - dice.randint(0, 300), 0), order.size + self.size()))
            expires = dice.choice((None, None, 0, self.exchange.now + dice.randint(0, 60)))
            price = dice.choice((order.price, self.price(self.exchange.markets[order.ticker])))
            change = Amendment(
                order.ticker, order.is_bid, price, size, "", dice.choice(("", f"{owner}-a{dice.randint(0, 99)}")),
                expires,
            )  # fmt: skip
            order_entry.amend(self.exchange, owner, order.order_id, change)

    def decrease(self, owner: str, _: ListedMarket) -> None:
        order, size = self.some_order(owner), self.size() + 1
        if order is not None:
            by, to = self.dice.choice(((size, None), (None, size // 2)))
            order_entry.decrease(self.exchange, owner, order.order_id, -1, by, to)

    def cancel(self, owner: str, _: ListedMarket) -> None:
        order = self.some_order(owner)
        if order is not None:
            order_entry.cancel(self.exchange, owner, order.order_id, self.dice.choice((-1, -1, 0)))

    def cancel_all(self, owner: str, _: ListedMarket) -> None:
        order_entry.cancel_all(self.exchange, owner)

    def crowd(self, _: str, market: ListedMarket) -> None:
        if self.exchange.trades_in(market):
            is_bid, price = self.dice.random() < 0.5, market.grid.nearest(self.price(market))
            if self.dice.random() < 0.5:
                self.exchange.crowd_take(market, is_bid, price, self.size() + 1)
            elif self.exchange.crowd_rest(market, is_bid, price, self.size() + 1) is not None:
                self.exchange.changed(market)

    def group(self, owner: str, market: ListedMarket) -> None:
        exchange, dice = self.exchange, self.dice
        groups = list(exchange.accounts[owner].groups.values())
        if len(groups) < 2:
            order_groups.create(exchange, owner, market.shard, dice.choice((None, 300, 2_000)))
            return
        act = dice.choice((order_groups.reset, order_groups.trigger, order_groups.delete, None))
        group = dice.choice(groups)
        if act is None:
            order_groups.set_limit(exchange, owner, group.group_id, group.shard, dice.randint(100, 3_000))
        else:
            act(exchange, owner, group.group_id, dice.choice((group.shard, 2)))

    def pause(self, _: str, market: ListedMarket) -> None:
        what = self.exchange.pause_on(market.shard)
        if what is not None:
            pauses.resume(self.exchange, what, [market.shard])
        else:
            pauses.pause(self.exchange, self.dice.choice(("trading", "exchange")), [market.shard])

    def halt(self, _: str, market: ListedMarket) -> None:
        if market.status == "inactive":
            lifecycle.reactivate(self.exchange, market)
        else:
            lifecycle.halt(self.exchange, market)

    def regrid(self, _: str, market: ListedMarket) -> None:
        if market.grid is LINEAR:
            lifecycle.change_grid(self.exchange, market, DECI)

    def transfer(self, owner: str, _: ListedMarket) -> None:
        account = self.exchange.accounts[owner]
        source, destination = self.dice.sample((0, 3), 2)
        free = self.exchange.free_cash(account, source)
        if free >= 100:
            amount = self.dice.randint(1, min(free, 10 * DOLLAR) // 100) * 100
            self.exchange.move_cash(account, source, destination, amount)

    def wait(self, _: str, market: ListedMarket) -> None:
        if self.dice.random() < 0.4:
            self.resume()
            lifecycle.reactivate(self.exchange, market)
        self.exchange.advance(self.exchange.now + self.dice.choice((0, 0.5, 3, 3, 20)))

    def resume(self) -> None:
        for what in ("trading", "exchange"):
            pauses.resume(self.exchange, what)


ACTS: list[tuple[Callable[[Walk, str, ListedMarket], None], int]] = [
    (Walk.create, 60), (Walk.amend, 14), (Walk.decrease, 5), (Walk.cancel, 8), (Walk.cancel_all, 1),
    (Walk.crowd, 10), (Walk.group, 4), (Walk.pause, 1), (Walk.halt, 1), (Walk.regrid, 1), (Walk.transfer, 3),
    (Walk.wait, 20),
]  # fmt: skip


# -- the laws ----------------------------------------------------------------------------------------------------


def assert_books_are_sound(walk: Walk) -> None:
    """No book is crossed, its sums are those of its orders, and every index tells of the same orders."""
    on_books: dict[str, Order] = {}
    for market in walk.markets:
        bid, ask = market.book.bids.best(), market.book.asks.best()
        assert bid is None or ask is None or bid < ask, "crossed"
        assert market.status in ("active", "inactive", "closed") or (bid, ask) == (None, None)
        inside: dict[str, Order] = {}
        for half, is_bid in ((market.book.bids, True), (market.book.asks, False)):
            levels = [(price, list(queue)) for price, queue in half.queues()]
            sizes = [(price, sum(o.remaining for o in queue)) for price, queue in levels]
            assert half.levels() == sorted(sizes)
            assert half.total == sum(size for _, size in sizes)
            assert sizes == sorted(sizes, reverse=is_bid), "the best price is not the first"
            for price, queue in levels:
                for order in queue:
                    assert (order.price, order.is_bid, order.ticker) == (price, is_bid, market.ticker)
                    assert order.status == "resting"
                    assert 0 <= order.filled < order.size
                inside |= {o.order_id: o for o in queue if o.owner is not None}
        assert market.owned == inside
        on_books |= inside
    for owner, account in walk.exchange.accounts.items():
        mine = {name: o for name, o in on_books.items() if o.owner == owner}
        assert account.resting == mine
        assert {name: o for name, o in account.orders.items() if o.status == "resting"} == mine


def assert_trades_have_two_sides(walk: Walk) -> None:
    """Each fill is one side of a trade that everybody saw, and nobody trades with themselves."""
    trades = {trade.number: trade for market in walk.markets for trade in market.trades}
    sides: dict[int, list[tuple[str, Fill]]] = {}
    for owner, account in walk.exchange.accounts.items():
        for fill in account.fills:
            sides.setdefault(fill.number, []).append((owner, fill))
    for number, both in sides.items():
        trade = trades[number]
        assert len({owner for owner, _ in both}) == len({fill.is_bid for _, fill in both}) == len(both) <= 2
        for _, fill in both:
            assert (fill.ticker, fill.price, fill.size) == (trade.ticker, trade.price, trade.size)
            assert fill.is_taker == (fill.is_bid == trade.taker_is_bid)
    for market in walk.markets:
        assert market.volume == sum(t.size for t in trades.values() if t.ticker == market.ticker)


def expected_cash(walk: Walk, owner: str, shard: int) -> Fraction:
    """Cash reckoned without the exchange's own books: a contract sold short locks a dollar until its market ends.
    Then it costs what the market pays for a YES contract, and whoever is long gets that. What is paid is rounded
    down to whole cents; the exchange keeps the rest."""
    account = walk.exchange.accounts[owner]
    cash = Fraction(OPENING[shard])
    for market in (m for m in walk.markets if m.shard == shard):
        fills = [fill for fill in account.fills if fill.ticker == market.ticker]
        count = sum(fill.size if fill.is_bid else -fill.size for fill in fills)
        paid = sum((fill.price if fill.is_bid else -fill.price) * fill.size for fill in fills)
        if market.status == "finalized":
            assert market.payout is not None
            yes, no = max(count, 0) * market.payout, max(-count, 0) * (10_000 - market.payout)
            worth = min(count, 0) * 10_000 + (yes + no) // 10_000 * 10_000
        else:
            worth = min(count, 0) * 10_000
            assert account.holdings[market.ticker].count == count
        cash += worth - paid - sum(fill.fee for fill in fills)
    cash += sum((t.amount if t.destination == shard else -t.amount) for t in account.transfers)
    if shard == 0:
        paid_out = [meter for meter in walk.exchange.ended if meter.program.paid_out]
        cash += sum(meter.cents(owner) * DOLLAR // 100 for meter in paid_out)
    return cash


def assert_cash_adds_up(walk: Walk) -> None:
    for owner, account in walk.exchange.accounts.items():
        for shard in OPENING:
            cash = account.cash[shard]
            assert cash == expected_cash(walk, owner, shard)
            assert cash == sum(entry.amount for entry in account.journal if entry.shard == shard)
            assert cash % 100 == 0, "balances are kept to $0.0001"
            fees = [fill.fee for fill in account.fills if fill.shard == shard]
            # A fill is rounded by less than $0.0001, twice at most.
            assert walk.exchange.free_cash(account, shard) >= -200 * len(fees), "spent what is not there"
        assert_orders_add_up(walk, account)


def assert_orders_add_up(walk: Walk, account: Account) -> None:
    """What an order says of its fills, and their fees: what one fill would have cost, to within $0.0001."""
    by_order: dict[str, list[Fill]] = {}
    for fill in account.fills:
        by_order.setdefault(fill.order_id, []).append(fill)
    for order in account.orders.values():
        fills = by_order.pop(order.order_id, [])
        assert order.filled == sum(fill.size for fill in fills)
        assert order.taker_fees == sum(fill.fee for fill in fills if fill.is_taker)
        assert order.maker_fees == sum(fill.fee for fill in fills if not fill.is_taker)
        assert (order.status == "executed") == (order.filled == order.size > 0)
        rates = QUARTER if order.ticker.startswith("KXB") else None
        exact = Fraction(0)
        for fill in fills:
            rate = Fraction(7, 100) if fill.is_taker else (Fraction(7, 400) if rates else Fraction(0))
            price = Fraction(fill.price, 10_000)
            exact += rate * fill.size * price * (1 - price) * 10_000
            assert fill.fee >= 0
        excess = sum(fill.fee for fill in fills) - exact
        assert 0 <= excess < 100 or (excess > 0 and fills[-1].fee < 100)
    assert by_order == {}


def assert_lawful(walk: Walk) -> None:
    assert_books_are_sound(walk)
    assert_trades_have_two_sides(walk)
    assert_cash_adds_up(walk)


@settings(max_examples=40)
@given(st.integers(0, 10**9))
def test_no_money_or_contract_is_made_or_lost(seed: int) -> None:
    """Cash and contracts add up after all kinds of requests and events. When all markets are final, nothing
    rests, nothing is held and no program is unpaid."""
    walk = Walk(seed)
    for number in range(200):
        walk.step()
        assert_books_are_sound(walk)
        if number % 10 == 0:
            assert_lawful(walk)
    assert_lawful(walk)
    walk.resume()
    walk.exchange.advance(NOW + 5 * 86_400)
    assert_lawful(walk)
    assert {market.status for market in walk.markets} == {"finalized"}
    for account in walk.exchange.accounts.values():
        assert account.resting == {}
        assert all(holding.count == holding.cost == 0 for holding in account.holdings.values())
        assert all(program.paid_out for program in walk.exchange.programs)


def test_the_walk_goes_everywhere() -> None:
    """Or the laws would be tried on little."""
    refused: Counter[str] = Counter()
    fills = rewards = settled = 0
    for seed in range(12):
        walk = Walk(seed)
        for _ in range(300):
            walk.step()
        walk.resume()
        walk.exchange.advance(NOW + 5 * 86_400)
        refused += walk.refused
        for account in walk.exchange.accounts.values():
            fills += len(account.fills)
            settled += len(account.settlements)
            rewards += sum(entry.kind == "reward" for entry in account.journal)
    assert KNOWN_REFUSALS - set(refused) == set()
    assert fills > 300
    assert settled > 30
    assert rewards > 3
