"""The exchange's state: books, accounts, cash and scheduled events.

Promise:
- It does what the real exchange is documented to do, with nothing added for the bot's sake.
- It is independent of HTTP, like a real matching engine; `simulator.api` translates requests.

Customers' requests are in `order_entry` and `order_groups`. Markets open, close and settle in `lifecycle`.
"""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Callable
from itertools import count

from simulator.account import Account, Fill, OrderGroup, Payment, SetAside, ShardTransfer
from simulator.fees import charge
from simulator.listing import (
    ListedEvent,
    ListedMarket,
    ListedProgram,
    ListedSeries,
    PublicTrade,
)
from simulator.matching import DOLLAR_PIPS, Match, Order
from simulator.reading import REAL, Reading
from simulator.rewards import Meter, Snapshots, TopTick
from simulator.timeline import Timeline

SHARDS = {0: "Default", 1: "Exotics", 2: "Crypto and Commodities", 3: "Sports"}

GROUP_WINDOW = 15.0
"""Seconds over which an order group counts its fills."""


class Refusal(Exception):
    """The exchange refuses a request, in the words of its API.
    `service` names the part of the exchange that refuses it, if the answer tells. An empty `message` is the code's
    words."""

    service = ""

    def __init__(self, status: int, code: str, message: str = "", details: str = "") -> None:
        message = message or code.replace("_", " ")
        super().__init__(f"{status} {code} {details or message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class EngineRefusal(Refusal):
    """The matching engine refuses a request."""

    service = "exchange"


class Exchange:
    """All state of one exchange.
    Ids and random numbers come from `seed`: the same seed with the same requests gives the same exchange. Another
    `luck` gives other hidden values and other visits of the simulated traders on the same board.
    `pauses` lists the current pauses of each shard: "trading" or "exchange". `hidden_value` gives the dollars that
    a market's YES is worth at a time, by ticker; no trader reads it. `toxicity` gives how much more often than
    usual informed traders come to a market, by ticker. `running` are the meters of running programs by
    market. `ended` are the meters of ended windows in which an account scored. `top_tick` is how windows that
    start from now on are scored. `reading` is how contested questions are answered."""

    def __init__(self, now: float, seed: int, reading: Reading = REAL, luck: int = 0) -> None:
        self.seed = seed
        self.fortune = f"{seed}:{luck}" if luck else str(seed)
        self.reading = reading
        self.opened = now
        self.timeline = Timeline(now)
        self.snapshots = Snapshots(seed)
        self.top_tick = TopTick.COUNTED
        self.series: dict[str, ListedSeries] = {}
        self.events: dict[str, ListedEvent] = {}
        self.markets: dict[str, ListedMarket] = {}
        self.programs: list[ListedProgram] = []
        self.accounts: dict[str, Account] = {}
        self.pauses: dict[int, list[str]] = {}
        self.running: dict[str, list[Meter]] = {}
        self.ended: list[Meter] = []
        self.hidden_value: dict[str, Callable[[float], float]] = {}
        self.toxicity: dict[str, float] = {}
        self._ids = random.Random(f"{seed}:ids")
        self._numbers = count(1)

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.timeline.now

    @property
    def lists_as_of(self) -> float:
        """The time up to which the account's lists are complete, in Unix seconds."""
        return self.now - self.reading.order_lag

    def at(self, when: float, do: Callable[[], None]) -> None:
        self.timeline.at(when, do)

    def advance(self, now: float) -> None:
        self.timeline.advance(now)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def next_number(self) -> int:
        """The next rising number. Lists are paged in the order of these numbers."""
        return next(self._numbers)

    def dice(self, name: str) -> random.Random:
        """The random numbers of a simulated trader or a hidden value, by its name."""
        return random.Random(f"{self.fortune}:{name}")

    # -- accounts -------------------------------------------------------------------------------------------

    def open_account(self, owner: str, cash: dict[int, int]) -> Account:
        """Open an account with a deposit on each shard, in 1/1,000,000 dollar."""
        account = self.accounts[owner] = Account(owner)
        for shard, amount in cash.items():
            account.book(self.now, shard, amount, "deposit", "opening")
        cents = sum(cash.values()) * 100 // 1_000_000
        account.deposits.append(Payment(self.next_number(), self.new_id(), cents, self.now))
        return account

    def resting(self, owner: str) -> list[Order]:
        """The owner's resting orders, oldest first."""
        return list(self.accounts[owner].resting.values())

    def resting_on(self, account: Account, shard: int) -> list[Order]:
        return [order for order in account.resting.values() if self.markets[order.ticker].shard == shard]

    def free_cash(
        self, account: Account, shard: int, beside: Order | None = None, instead_of: Order | None = None
    ) -> int:
        """Cash of a shard that resting orders do not tie up, in 1/1,000,000 dollar.
        An order `beside` counts as resting too: added to the others, or in place of `instead_of`."""
        resting = self.resting_on(account, shard)
        if beside is not None and instead_of is None:
            resting.append(beside)
        elif beside is not None:
            resting = [beside if order is instead_of else order for order in resting]
        return account.cash.get(shard, 0) - account.collateral(resting)

    def move_cash(
        self, account: Account, source: int, destination: int, amount: int, client_id: str = ""
    ) -> ShardTransfer:
        """Move cash from one shard to another. `amount` in 1/1,000,000 dollar."""
        done = ShardTransfer(self.next_number(), self.new_id(), client_id, source, destination, amount, self.now)
        account.transfers.append(done)
        for shard, change in ((source, -amount), (destination, amount)):
            account.book(self.now, shard, change, "transfer", done.transfer_id)
        return done

    def deposit_cash(self, account: Account, shard: int, cents: int, fee: int) -> None:
        """Deposit `cents` on a shard. The `fee`, in cents too, comes off what arrives."""
        paid = Payment(self.next_number(), self.new_id(), cents, self.now, fee)
        account.deposits.append(paid)
        account.book(self.now, shard, (cents - fee) * 10_000, "deposit", paid.payment_id)

    def withdraw_cash(self, account: Account, shard: int, cents: int) -> None:
        """Withdraw money from an account."""
        out = Payment(self.next_number(), self.new_id(), cents, self.now)
        account.withdrawals.append(out)
        account.book(self.now, shard, -cents * 10_000, "withdrawal", out.payment_id)

    def set_cash_aside(self, account: Account, shard: int, cents: int) -> None:
        """Move money to another subaccount, which is not simulated."""
        out = SetAside(self.next_number(), self.new_id(), cents, shard, self.now)
        account.set_aside.append(out)
        account.book(self.now, shard, -cents * 10_000, "transfer", out.transfer_id)

    # -- books ----------------------------------------------------------------------------------------------

    def trades_in(self, market: ListedMarket) -> bool:
        """Whether a market accepts orders now."""
        return market.status == "active" and not self.pauses.get(market.shard)

    def pause_on(self, shard: int) -> str | None:
        """The pause of a shard: the whole "exchange", only "trading", or None."""
        lasting = self.pauses.get(shard, ())
        return next((what for what in ("exchange", "trading") if what in lasting), None)

    def changed(self, market: ListedMarket) -> None:
        """Schedule a look at a market that may have changed.
        Call it after anything that may change the market's book, status or trading. The exchange looks once, after
        everything that is due at this moment."""
        if not market.to_look_at:
            market.to_look_at = True
            self.at(self.now, lambda: self._look(market))

    def _look(self, market: ListedMarket) -> None:
        market.to_look_at = False
        market.note_touch(self.now)
        market.note_quote(self.now, self.reading.quote_lags[1])
        trading = self.trades_in(market)
        for meter in self.running.get(market.ticker, ()):
            meter.note(self.now, trading)
        market.show_owned()

    def execute(self, market: ListedMarket, order: Order) -> None:
        """Match an order against the book and record its trades."""
        trades, withdrawn = market.book.match(order)
        for own in withdrawn:
            self.forget(market, own)
        for trade in trades:
            market.last_price = trade.price
            market.volume += trade.size
            market.note_touch(self.now)
            number = self.next_number()
            market.note_trade(PublicTrade(number, market.ticker, trade.price, trade.size, order.is_bid, self.now))
            if trade.maker.owner is None:
                market.stir()
            for side in (trade.taker, trade.maker):
                if side.owner is not None:
                    self._book_fill(market, trade, side, number)

    def _book_fill(self, market: ListedMarket, trade: Match, order: Order, number: int) -> None:
        assert order.owner is not None  # noqa: S101
        account = self.accounts[order.owner]
        is_taker = order is trade.taker
        cost = account.cost_of(market.ticker, order.is_bid, trade.price, trade.size)
        fee = charge(order, cost, market.event.fee_terms.exact(trade.price, trade.size, is_taker))
        account.trade(
            market.shard,
            Fill(
                number, order.order_id, market.ticker, market.shard,
                order.is_bid, trade.price, trade.size, is_taker, fee, self.now,
            ),
        )  # fmt: skip
        order.updated = self.now
        paid = trade.size * (trade.price if order.is_bid else DOLLAR_PIPS - trade.price)
        if is_taker:
            order.taker_cost += paid
            order.taker_fees += fee
        else:
            order.maker_cost += paid
            order.maker_fees += fee
        if order.status != "resting":
            self.forget(market, order)
        if order.group_id is not None:
            self._count_in_group(account, order.group_id, trade.size)

    def rest(self, market: ListedMarket, order: Order) -> None:
        """Put an order at the end of its price's queue, and schedule its expiry."""
        market.book.half(order.is_bid).add(order)
        order.entered = self.now
        if order.owner is not None:
            self.accounts[order.owner].resting[order.order_id] = order
            market.owned[order.order_id] = order
            self.expire_later(market, order)

    def expire_later(self, market: ListedMarket, order: Order) -> None:
        """Cancel an order at its expiry, unless its expiry has changed by then."""
        due = order.expires

        def expire() -> None:
            if order.expires == due:
                self.take_down(market, order)

        if due is not None:
            self.at(due, expire)

    def withdraw(self, market: ListedMarket, order: Order) -> None:
        """Cancel a resting order. The caller calls `changed`, once for all it did."""
        market.book.half(order.is_bid).remove(order)
        if order.owner is not None:
            order.was = copy.copy(order)
        order.status = "canceled"
        self.forget(market, order)

    def withdraw_all(self, market: ListedMarket) -> None:
        """Cancel every resting order of a market. The caller calls `changed`."""
        for half in (market.book.bids, market.book.asks):
            for order in half.everyone():
                self.withdraw(market, order)

    def take_down(self, market: ListedMarket, order: Order) -> None:
        """Cancel an order if it still rests."""
        if order.status == "resting":
            self.withdraw(market, order)
            self.changed(market)

    def forget(self, market: ListedMarket, order: Order) -> None:
        """Remove an order from the resting orders of its market and its account."""
        order.updated = self.now
        if order.owner is not None:
            market.owned.pop(order.order_id, None)
            self.accounts[order.owner].resting.pop(order.order_id, None)

    # -- order groups ---------------------------------------------------------------------------------------

    def _count_in_group(self, account: Account, group_id: str, size: int) -> None:
        group = account.groups.get(group_id)
        if group is None:
            return
        group.filled.append((self.now, size))
        if group.limit is not None and self.group_volume(group) > group.limit:
            self.trigger_group(account, group)

    def group_volume(self, group: OrderGroup) -> int:
        """Contracts (1/100) filled in the last 15 s."""
        group.filled = [(time, size) for time, size in group.filled if time > self.now - GROUP_WINDOW]
        return sum(size for _, size in group.filled)

    def trigger_group(self, account: Account, group: OrderGroup) -> None:
        """Cancel a group's resting orders. The group refuses new orders until it is reset.
        A match in progress completes first: what the real exchange does inside one match is not known."""
        group.triggered = True
        self.at(self.now, lambda: self.sweep_group(account, group))

    def sweep_group(self, account: Account, group: OrderGroup) -> None:
        for order in [o for o in account.resting.values() if o.group_id == group.group_id]:
            self.take_down(self.markets[order.ticker], order)

    # -- simulated traders ----------------------------------------------------------------------------------

    def crowd_take(self, market: ListedMarket, is_bid: bool, limit: int, size: int) -> None:
        """Take liquidity up to a limit price. The unfilled remainder does not rest."""
        self.execute(market, Order(market.ticker, is_bid, limit, size))
        self.changed(market)

    def crowd_rest(self, market: ListedMarket, is_bid: bool, price: int, size: int) -> Order | None:
        """Rest an order of a simulated trader. Returns None if it would cross.
        The caller calls `changed`, once for all it did."""
        if market.book.would_cross(is_bid, price):
            return None
        order = Order(market.ticker, is_bid, price, size)
        market.book.half(is_bid).add(order)
        return order
