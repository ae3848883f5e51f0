"""Send a plan: cancels, renewals, exits, then reductions, moves and new orders.

Promise:
- Each new order, exit and move passes the gate again, with the real outcomes of the requests before it. The halt
  is checked again at the same time.
- Renewals wait for cancels only.
- A refused order is logged and left out.
- While the exchange amends no orders, they are canceled and placed again as post-only. An amend is tried again now
  and then.
- If an order's outcome is unknown, nothing more is sent in this cycle. After a cancel with an unknown outcome, the
  other cancels and the renewals are still sent.
- If the exchange says that an order was gone before its cancel, nothing takes its place before the next cycle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import trade
from clients import KalshiHttpClient
from exchange.account import Position
from exchange.errors import (
    ExchangeError,
    Gone,
    Intercepted,
    Paused,
    Recovery,
    ShortOfCash,
    Unavailable,
    Unreadable,
)
from exchange.models import Order, OrderRequest, OrderResponse, OrderStatus
from exchange.optional_calls import OptionalCall
from exchange.orderbook import Bid, Book
from execution.cancel_reasons import NO_AMEND, CancelCause, CancelReason
from execution.canceler import Canceler, CancelResult, OrderRecorder
from execution.exits import ExitOrder, UnsoldPosition
from execution.order_groups import NEW_GROUP, OrderGroups
from execution.outcome import Outcome
from execution.plan import AmendKind, Amendment, Plan
from risk import refusals
from risk.gate import Gate, Place, Refusal, TradingState
from runtime import log_format
from runtime.log_format import Log

LEAST_SECONDS = 5.0
"""For how long a cycle places new orders, even if the next one is due."""

_MINUTE = 60.0
_NO_SUCH_CALL = {301, 302, 303, 307, 308, 403, 404, 405, 410, 501}
"""Statuses with which a call is answered that does not exist (any more)."""


class Executor:
    """Sends orders and keeps the outcome.

    `halted()` returns the reason that orders are blocked, or "". `order_groups` is None if only exits are sent.
    `on_short` gets a shard whose cash was too small for an order, and whether the order only closes."""

    def __init__(
        self,
        client: KalshiHttpClient,
        canceler: Canceler,
        recorder: OrderRecorder,
        halted: Callable[[], str],
        log: Log,
        order_groups: OrderGroups | None = None,
        on_short: Callable[[int, bool], None] = lambda shard, only_closes: None,
    ) -> None:
        self._on_short = on_short
        self._client, self._canceler, self._recorder = client, canceler, recorder
        self._halted, self._log, self._order_groups = halted, log, order_groups
        self._sent: deque[float] = deque()
        self._gate: Gate | None = None
        self._resting: dict[str, tuple[str, Bid]] = {}
        self._refused: dict[Place, str] = {}
        self._taken: set[Place] = set()
        self._left_gone: set[Place] = set()
        self.triggered_shards: dict[int, str] = {}
        self.closed_markets: dict[str, str] = {}
        self._short_shards: set[int] = set()
        self._amend_was_unavailable = False
        self._said_gone: set[str] = set()
        self._said_kept: set[str] = set()
        self.last_expiry: datetime | None = None

    def sent_lately(self) -> int:
        """The number of orders sent or moved in the last minute."""
        while self._sent and self._sent[0] <= self._client.clock.monotonic() - _MINUTE:
            self._sent.popleft()
        return len(self._sent)

    def execute(self, plan: Plan, state: TradingState) -> None:
        """Send all of a plan except its new orders, which `place` sends.

        Afterwards `triggered_shards` has the shards whose order group was found triggered, and `closed_markets`
        the markets that were found to accept no orders. Raises an `ExchangeError` if a failure concerns more than
        its order."""
        gate = self._gate = Gate(state, plan.sizes)
        self._resting = {
            one.order_id: (one.ticker, one.bid) for one in state.orders if trade.is_own(one, state.strangers)
        }
        self._taken = {(order.ticker, order.side) for order in plan.stays}
        self._refused, self._left_gone = {}, set()
        self.triggered_shards, self.closed_markets, self._short_shards = {}, {}, set()
        self._said_gone &= {amendment.order.order_id for amendment in plan.amendments}
        for kept in plan.unsold:
            gate.block(kept.position.ticker)
        self._tell_unsold(plan.unsold)
        for refusal in plan.refused:
            self._tell(refusal)
            if refusal.code in refusals.MARKETS_OWN:  # only here: what blocks a market later is not its fault
                self._refused[refusal.order.ticker, refusal.order.bid.side] = refusal.code.value
        failed = self._cancel(plan, gate)
        for order in plan.stays:
            self._log("KEEP ORDER", log_format.kept_order(order, order.bid, order.expires))
        for amendment in plan.amended(AmendKind.RENEW):
            self._amend(amendment, gate)
        if failed is not None:
            raise failed
        for sale in plan.exits:
            self._exit(sale, state.books.get(sale.position.ticker), gate)
        if self._order_groups is not None:
            self._order_groups.ensure(plan.fill_limits)
        for amendment in plan.amended(AmendKind.REDUCE, AmendKind.REPLACE):
            self._amend(amendment, gate)

    def place(self, plan: Plan, books: Mapping[str, Book], until: float) -> int:
        """Place a plan's new orders, after `execute`.

        `books`: the rivals' books, for the log. `until`: the monotonic time of the next cycle, which places the
        orders that this one could not. Each cycle places for `LEAST_SECONDS`, because slow reads may take all the
        time of every cycle. Returns the number of the bot's resting orders. Raises an `ExchangeError`
        like `execute`."""
        if self._gate is None:
            raise ValueError("call execute() first")
        shown, until = set(), max(until, self._client.clock.monotonic() + LEAST_SECONDS)
        for number, order in enumerate(plan.orders):
            if self._client.clock.monotonic() >= until:
                left = f"{len(plan.orders) - number} orders are left for the next cycle, which is due"
                self._log("INFO", {"Slow": left})
                break
            if order.ticker not in shown and order.ticker in books:
                self._log("ORDER BOOK", {"Ticker": order.ticker}, log_format.top_levels(books[order.ticker]))
                shown.add(order.ticker)
            out = self.triggered_shards.keys() | self._short_shards
            if order.ticker in self.closed_markets or order.shard in out:
                continue
            said = log_format.new_order(order.ticker, order.bid)
            if (order.ticker, order.bid.side) in self._left_gone:
                self._log("INFO", said | {"Order": "waits for the next cycle, because the one before was gone"})
                continue
            self._log("OPEN ORDER", said)
            self._send(order, self._gate)
        return len(self._resting)

    def kept(self, plan: Plan) -> int:
        """The number of orders that the plan left as they were and that still rest."""
        renewed = {one.order.order_id for one in plan.amended(AmendKind.RENEW)}
        return len(self._resting.keys() & (renewed | {order.order_id for order in plan.stays}))

    def outcome(self) -> Outcome:
        """What the cycle's requests came to, after `execute` and `place`."""
        if self._gate is None:
            raise ValueError("call execute() first")
        gate = self._gate
        resting: dict[str, tuple[Bid, ...]] = {}
        for ticker, bid in self._resting.values():
            resting[ticker] = (*resting.get(ticker, ()), bid)
        return Outcome(
            resting, gate.risks(), gate.tied_up, gate.spent, dict(self._refused), frozenset(self._taken)
        )

    def _send(self, order: OrderRequest, gate: Gate) -> OrderResponse | None:
        """Send one order through the gate and log the outcome.

        Returns None if the gate or the exchange refused it. Raises an `ExchangeError` if the outcome is
        unknown."""
        if order.group_id == NEW_GROUP and self._order_groups is not None:
            order = order._replace(group_id=self._order_groups.group_on(order.shard))
        if self._refusal(order, gate):
            return None
        order = order._replace(client_order_id=self._canceler.own.process.new_id())
        self._count(gate)
        if order.expires is not None:
            self.last_expiry = max(self.last_expiry or order.expires, order.expires)
        try:
            response = self._client.create_order(order)
        except ExchangeError as error:
            if error.recovery is not Recovery.SKIP:
                gate.block(order.ticker)
                raise
            self._left_out(order, error, gate)
            return None
        self._recorder.placed(order, response)
        self._log("ORDER RESPONSE", log_format.order_response(response))
        place = order.ticker, order.bid.side
        if response.status is OrderStatus.RESTING:
            self._rests(gate, order.ticker, response.order_id, order.bid)
        if response.status is OrderStatus.RESTING or response.filled:
            self._taken.add(place)
        elif order.post_only:
            self._refused[place] = f"the exchange {response.status.value} it at once"
        return response

    def _refusal(self, order: OrderRequest, gate: Gate, instead_of: Order | None = None) -> Refusal | None:
        """Log and return the refusal of an order, or None if it may be sent."""
        halted = self._halted()
        if halted:
            gate.halt(halted)
        refusal = gate.check(order, instead_of)
        if refusal is not None:
            self._tell(refusal)
        return refusal

    # -- the steps of a plan -----------------------------------------------------------------------------------

    def _cancel(self, plan: Plan, gate: Gate) -> ExchangeError | None:
        """Cancel unwanted orders. Returns the last error that leaves an outcome unknown."""
        failed = None
        for order, cause in plan.cancels:
            try:
                self._cancel_one(order, cause, gate)
            except ExchangeError as error:
                failed = error
                gate.block(order.ticker)
        return failed

    def _cancel_one(self, order: Order, cause: CancelCause, gate: Gate) -> bool:
        """Cancel an order. Returns whether another may take its place in this cycle.

        None may if the exchange says that the order was gone already. It may have been filled, or, if that answer
        was wrong, still rest."""
        result = self._canceler.cancel_one(order, cause)
        if result is CancelResult.RESTS:
            gate.block(order.ticker)
        else:
            self._is_gone(gate, order)
        if result is CancelResult.GONE:
            self._left_gone.add((order.ticker, order.side))
        return result is CancelResult.CANCELED

    def _amend(self, amendment: Amendment, gate: Gate) -> None:
        """Change an order's price, size or expiry.

        If the gate refuses a move, cancel the order: its old price is no longer wanted."""
        order, bid, until, change = amendment
        if not self._client.optional_calls.may_send(OptionalCall.AMEND):
            self._place_again(amendment, gate)
            return
        if change is AmendKind.REPLACE:
            moved = trade.quote_order(order, bid, order.client_order_id, until, order.group_id)
            refusal = self._refusal(moved, gate, instead_of=order)
            if refusal is not None:
                self._take_down(order, refusal, gate)
                return
            self._count(gate)
        said = log_format.kept_order(order, bid, until)
        self._log("KEEP ORDER" if change is AmendKind.RENEW else "MOVE ORDER", said)
        self.last_expiry = max(self.last_expiry or until, until)
        try:
            self._client.amend_order(order, bid, until)
        except ExchangeError as error:
            if self._amends_nothing(order, error):
                self._client.optional_calls.note_failure(OptionalCall.AMEND, error)
                self._place_again(amendment, gate)
                return
            if isinstance(error, Gone):
                self._log("INFO", said | {"Order": "was gone already: filled, expired or canceled"})
                self._is_gone(gate, order)
                return
            if error.recovery is not Recovery.SKIP:
                raise
            if isinstance(error, ShortOfCash):
                self._on_short(order.shard, gate.only_closes(order.ticker, bid))
            if not self._note_pause(order.ticker, error):
                self._log("ERROR", str(error), ["It stays as it was, and expires unless it is renewed"])
                self._note_refusal((order.ticker, order.side), error)
            gate.block(order.ticker)
        else:
            self._client.optional_calls.note_success(OptionalCall.AMEND)
            self._amend_was_unavailable = False
            self._recorder.amended(order, bid, until)
            self._rests(gate, order.ticker, order.order_id, bid)
            self._taken.add((order.ticker, order.side))

    def _place_again(self, amendment: Amendment, gate: Gate) -> None:
        """Cancel an order, and place what it was to become.

        If the gate refuses the new order, one that was only to be renewed stays until it expires. Another is
        canceled."""
        order, bid, until, change = amendment
        again = trade.quote_order(order, bid, "", until, order.group_id)
        refusal = self._refusal(again, gate, instead_of=order)
        if refusal is not None:
            if change is not AmendKind.RENEW:
                self._take_down(order, refusal, gate)
        elif self._cancel_one(order, NO_AMEND, gate):
            self._log("OPEN ORDER", log_format.new_order(order.ticker, bid))
            self._send(again, gate)

    def _take_down(self, order: Order, refusal: Refusal, gate: Gate) -> None:
        self._cancel_one(order, CancelCause(CancelReason.LIMIT, refusal.text), gate)

    def _amends_nothing(self, order: Order, error: ExchangeError) -> bool:
        """Whether an error means that the exchange amends no orders for now.

        A 5xx means it the second time: at first it looks like an outage of the exchange, in which the reads before
        an amend fail too. So does an order that is said to be gone and is listed again."""
        if isinstance(error, Gone):
            listed_again = order.order_id in self._said_gone
            self._said_gone.add(order.order_id)
            return listed_again or self._client.optional_calls.fails(OptionalCall.AMEND)
        was_unavailable, self._amend_was_unavailable = self._amend_was_unavailable, isinstance(error, Unavailable)
        is_missing = error.status in _NO_SUCH_CALL or isinstance(error, (Unreadable, Intercepted))
        return is_missing or (was_unavailable and self._amend_was_unavailable)

    def _exit(self, sale: ExitOrder, rivals: Book | None, gate: Gate) -> None:
        position, order = sale
        self._said_kept.discard(position.ticker)
        self._log("CLOSE POSITION", log_format.exit_order(position, order))
        response = self._send(order, gate)
        sold = response.filled if response else Decimal(0)
        gate.sold(position.ticker, sold)
        if sold < position.size:
            gate.block(position.ticker)
        if response is not None and not sold:
            self._refused[position.ticker, order.bid.side] = "nothing could be sold"
        if response is not None and sold and rivals is not None:
            self._log("INFO", sale_cost(position, order, response, rivals))

    # -- outcomes and the log ---------------------------------------------------------------------------------

    def _left_out(self, order: OrderRequest, error: ExchangeError, gate: Gate) -> None:
        shard, out = order.shard, "the bot leaves this order out and goes on"
        if self._note_pause(order.ticker, error):
            return
        if self._order_groups is not None and self._order_groups.refused_by_group(error, shard):
            self.triggered_shards[shard] = "its order group accepts no orders"
        if isinstance(error, ShortOfCash):
            self._short_shards.add(shard)
            self._on_short(shard, gate.only_closes(order.ticker, order.bid))
            out = f"the bot places nothing more on shard {shard} in this cycle"
        self._note_refusal((order.ticker, order.bid.side), error)
        self._log("ERROR", str(error), [f"Ticker: {order.ticker}; {out}"])

    def _note_pause(self, ticker: str, error: ExchangeError) -> bool:
        """Whether an error means that a market accepts no orders now. Remembers it."""
        if isinstance(error, Paused):
            self.closed_markets[ticker] = f"the market accepts no orders ({error.message or error.code})"
        return isinstance(error, Paused)

    def _note_refusal(self, place: Place, error: ExchangeError) -> None:
        """Remember a refusal of the exchange if it is due to the market."""
        if refusals.is_markets_own(error):
            self._refused[place] = " ".join(filter(None, (str(error.status), error.code, error.details)))

    def _rests(self, gate: Gate, ticker: str, order_id: str, bid: Bid) -> None:
        gate.rests(ticker, order_id, bid)
        self._resting[order_id] = ticker, bid

    def _is_gone(self, gate: Gate, order: Order) -> None:
        gate.gone(order.ticker, order.order_id)
        self._resting.pop(order.order_id, None)

    def _count(self, gate: Gate) -> None:
        self._sent.append(self._client.clock.monotonic())
        gate.count_order()

    def _tell_unsold(self, unsold: Iterable[UnsoldPosition]) -> None:
        """Log the positions that are not sold.

        One that is kept is logged once, until a part of it is sold."""
        unsold = tuple(unsold)
        for one in unsold:
            if not (one.is_kept and one.position.ticker in self._said_kept):
                self._log("SKIP POSITION", log_format.kept_position(one.position, one.reason))
        self._said_kept |= {one.position.ticker for one in unsold if one.is_kept}

    def _tell(self, refusal: Refusal) -> None:
        self._log("REFUSED ORDER", log_format.requested_order(refusal.order) | {"Reason": refusal.text})


def sale_cost(
    position: Position, order: OrderRequest, response: OrderResponse, rivals: Book
) -> Mapping[str, object]:
    """The cost of an exit for the log: the spread against the mid price, and the fee.

    The bids of `rivals` are taken best first, down to the order's price."""
    bids = trade.walk(rivals.side(position.side), response.filled, order.bid.other_price)
    price = bids.dollars / bids.size if bids.size else order.bid.other_price
    spread = trade.exit_spread(position, rivals, price) * response.filled
    fee = (response.average_fee or Decimal(0)) * response.filled
    said = {
        "Ticker": position.ticker,
        "Sold": f"{log_format.count_text(response.filled)} of {log_format.count_text(position.size)}",
    }
    return said | {"Spread": f"${spread:.4f}", "Fee": f"${fee:.4f}", "Exit cost": f"${spread + fee:.4f}"}
