"""The bot's own orders, from the moment they were placed until they were gone.

Promise:
- The records say what the exchange reported: its answers, and its list of orders.
- An order that ended early, although the bot did not cancel it, is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from clients import KalshiHttpClient
from exchange.models import Order, OrderRequest, OrderResponse, OrderStatus
from exchange.orderbook import Bid
from ledger.entries import OrderRecord
from ledger.own_tags import OwnTags
from runtime.log_format import Log

OVERLAP = timedelta(seconds=60)
"""The exchange lists an entry up to this late, so each read begins this much earlier."""

_EARLY = timedelta(seconds=2)
"""An order that ends more than this before its expiry did not expire: expiries are in whole seconds."""


class OrderRecords:
    """The records of one account's own orders, by order id.

    `known`: those that rest, or whose seconds are not counted yet. `changed`: those to be written."""

    def __init__(self, client: KalshiHttpClient, log: Log, own: OwnTags) -> None:
        self._client, self._log, self._own = client, log, own
        self.known: dict[str, OrderRecord] = {}
        self.changed: dict[str, OrderRecord] = {}
        self._canceled_by_us: set[str] = set()

    def restore(self, records: Iterable[OrderRecord]) -> None:
        """Continue with the records of an earlier session."""
        self.known = {record.order_id: record for record in records} | self.known

    def written(self, is_uncounted: Callable[[OrderRecord], bool]) -> None:
        """Forget what was written, and the orders whose seconds are all counted."""
        self.changed = {}
        self.known = {name: record for name, record in self.known.items() if is_uncounted(record)}
        self._canceled_by_us &= self.known.keys()

    def resting(self) -> int:
        """How many orders rest, as far as the bot knows."""
        now = self._client.clock.now()
        return sum(one.ended is None and (one.expires is None or now < one.expires) for one in self.known.values())

    def placed(self, order: OrderRequest, response: OrderResponse) -> None:
        """Record an order that the exchange accepted."""
        now = self._client.clock.now()
        fees = (response.average_fee or Decimal(0)) * response.filled
        rests = response.status is OrderStatus.RESTING
        record = OrderRecord(
            response.order_id, order.client_order_id, order.ticker, order.bid.side, order.bid.price,
            order.bid.count, response.filled, fees, response.status, now, order.expires, None if rests else now,
        )  # fmt: skip
        self._record(record)

    def canceling(self, order: Order) -> None:
        """Remember that the bot is about to cancel an order.

        If the order is gone at the next cycle, the bot canceled it."""
        self._canceled_by_us.add(order.order_id)

    def amended(self, order: Order, bid: Bid, until: datetime) -> None:
        """Record that an order now rests as `bid`, and expires at `until`.

        The new terms also count for the second or so since the last look."""
        known = self.known.get(order.order_id, OrderRecord.of(order, self._client.clock.now()))
        self._record(known._replace(price=bid.price, asked=order.filled + bid.count, expires=until))

    def canceled(self, order: Order) -> None:
        """Record that an order was canceled just now, if it is our own."""
        if self._own.is_own(order):
            now = self._client.clock.now()
            record = self.known.get(order.order_id, OrderRecord.of(order, now))
            self._record(record._replace(status=OrderStatus.CANCELED, ended=now))

    def sync_resting(self, ours: Collection[Order]) -> list[OrderRecord]:
        """Record which orders rested when the cycle began.

        `ours`: all of our resting orders. The state of the others is read. Returns those that were
        canceled before their expiry, but not by us."""
        now = self._client.clock.now()
        for order in ours:
            known = self.known.get(order.order_id)
            ended = known.ended if known else None
            status = known.status if known else order.status
            self._record(OrderRecord.of(order, now)._replace(ended=ended, status=status))
        listed = {order.order_id for order in ours}
        missing = [record for name, record in self.known.items() if record.ended is None and name not in listed]
        if missing:
            self.read(min(record.created for record in missing) - OVERLAP)
        now_known = [self.known[record.order_id] for record in missing]
        early = [record for record in now_known if record.status is OrderStatus.CANCELED and _is_early(record)]
        return [record for record in early if record.order_id not in self._canceled_by_us]

    def read(self, since: datetime) -> None:
        """Read the state of our orders, including those of a process that was killed."""
        now = self._client.clock.now()
        listed = self._client.get_orders(since)
        for error in listed.unreadable:
            means = "How long one of our orders rested is unknown; its seconds are counted until its expiry"
            self._log("ERROR", str(error), [means])
        for order in filter(self._own.is_own, listed):
            known = self.known.get(order.order_id)
            if known is None or known.ended is None or order.status is not OrderStatus.RESTING:
                self._record(OrderRecord.of(order, now))

    def _record(self, record: OrderRecord) -> None:
        self.known[record.order_id] = self.changed[record.order_id] = record


def _is_early(record: OrderRecord) -> bool:
    return record.ended is not None and (record.expires is None or record.ended < record.expires - _EARLY)
