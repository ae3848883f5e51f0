"""The format of the log: each event as a text, and as a JSON object.

Promise:
- Each event is one line, the same on the console and in the file, in local time. Details follow on lines of their
  own:

    2026-01-16 18:05:57 [CANCEL ORDER] Ticker: KXHIGHCHI-26JAN16-B35.5 | Side: yes | Price: 0.4600
      └─ a detail

- The object of an event is one line of ASCII, with the same words and the time zone.
- Text from an exchange or a file cannot forge a line: line breaks in values become spaces.

The bot decides which events to write. `log_output.py` decides where they go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from exchange.account import Fill, Position
from exchange.models import Order, OrderRequest, OrderResponse
from exchange.orderbook import ONE_DOLLAR, Bid, Book, Side

TOP_LEVELS = 5


Fields = dict[str, str]
"""An event's `Key: value` pairs, in the order in which they are shown."""


Log = Callable[..., None]
"""Writes an event, from its name, fields and details (`MarketBot.log`)."""


def pairs(fields: Mapping[str, object]) -> str:
    """Format `Key: value` pairs for one line."""
    return " | ".join(f"{key}: {value}" for key, value in fields.items())


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the log. `str()` is its text.

    `fields` are `Key: value` pairs, or a sentence. `times`: how often it occurred since `since`; None if that is
    not shown."""

    when: datetime
    event: str
    fields: Mapping[str, object] | str
    details: tuple[str, ...] = ()
    times: int | None = None
    since: datetime | None = None

    @property
    def said(self) -> str:
        """The fields or the sentence, as a text."""
        return self.fields if isinstance(self.fields, str) else pairs(self.fields)

    def __str__(self) -> str:
        said = _one_line(self.said)
        if self.times and self.since:
            said += f" | Times: {self.times:,} since {local_time(self.since)}"
        lines = [f"{self.when.astimezone():%Y-%m-%d %H:%M:%S} [{self.event}] {said}"]
        return "\n".join(lines + [f"  └─ {_one_line(detail)}" for detail in self.details])

    def as_json(self, missing: int = 0) -> str:
        """The event as a JSON object, in one line of ASCII.

        `missing`: entries before it that could not be written. Keys without a value are left out."""
        known: dict[str, object] = {"at": _iso_time(self.when), "zone": time_zone(self.when), "event": self.event}
        if isinstance(self.fields, str):
            known["text"] = _one_line(self.fields)
        else:
            known["fields"] = {key: _one_line(f"{value}") for key, value in self.fields.items()}
        if self.details:
            known["details"] = [_one_line(detail) for detail in self.details]
        if self.times and self.since:
            known |= {"times": self.times, "since": _iso_time(self.since)}
        return json.dumps(known | ({"missing": missing} if missing else {}))


def entry(when: datetime, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> Entry:
    """One event. `fields` are `Key: value` pairs, or a sentence."""
    return Entry(when, event, fields, tuple(details))


def _iso_time(when: datetime) -> str:
    """Local time with its UTC offset, such as 2026-11-27T19:13:00+01:00."""
    return when.astimezone().isoformat(timespec="seconds")


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def time_zone(when: datetime) -> str:
    """The time zone of the log at a moment, such as CET (UTC+01:00)."""
    local = when.astimezone()
    offset = f"{local:%z}"
    return f"{local:%Z} (UTC{offset[:3]}:{offset[3:5]})"


def span_text(seconds: float) -> str:
    """A duration in hours, minutes or seconds."""
    for unit, name in ((3_600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:,.0f} s"


def local_time(when: datetime) -> str:
    """A time of day, as the log shows it."""
    return f"{when.astimezone():%H:%M:%S}"


def count_text(number: Decimal) -> str:
    """A number of contracts without trailing zeros."""
    return f"{number.normalize():f}"


def price_text(dollars: Decimal) -> str:
    return f"{dollars:.4f}"


def top_levels(book: Book) -> list[str]:
    """The best prices of both sides, as details of `[ORDER BOOK]`."""
    lines = []
    for side in Side:
        best = [f"${price_text(level.price)} x {count_text(level.size)}" for level in book.side(side)[:TOP_LEVELS]]
        lines.append(f"{side.value.title()} (Top {TOP_LEVELS}): {' | '.join(best) or 'no bids'}")
    return lines


def resting_order(order: Order) -> Fields:
    return {"Ticker": order.ticker, "Side": order.side.value, "Price": price_text(order.price)}


def kept_order(order: Order, bid: Bid, until: datetime | None) -> Fields:
    """An order that keeps resting, on the terms of `bid`."""
    said = {
        "Ticker": order.ticker,
        "Side": order.side.value,
        "Price": price_text(bid.price),
        "Count": count_text(bid.count),
    }
    if bid != order.bid:
        said["Was"] = f"{count_text(order.remaining)} at {price_text(order.price)}"
    return said | ({"Expires": local_time(until)} if until else {})


def new_order(ticker: str, bid: Bid) -> Fields:
    return _limit_order(ticker, "buy", bid.side, bid.count, bid.price)


def requested_order(order: OrderRequest) -> Fields:
    """An order that was to be sent.

    An order that only reduces a position is shown as a sale."""
    if not order.reduce_only:
        return new_order(order.ticker, order.bid)
    bid = order.bid
    return _limit_order(order.ticker, "sell", bid.side.other, bid.count, bid.other_price)


def _limit_order(ticker: str, action: str, side: Side, count: Decimal, price: Decimal) -> Fields:
    return {
        "Ticker": ticker,
        "Side": side.value,
        "Action": action,
        "Count": count_text(count),
        "Type": "limit",
        "Price": price_text(price),
    }


def order_response(response: OrderResponse) -> Fields:
    said = {
        "OrderID": f"{response.order_id[:8]}...",
        "Status": response.status.value,
        "Filled": count_text(response.filled),
        "Remaining": count_text(response.remaining),
    }
    if response.average_fee is not None:
        said["Fee"] = f"${response.average_fee * response.filled:.4f}"
    return said


def exit_order(position: Position, order: OrderRequest) -> Fields:
    """An order that sells a position, or a part of it.

    The side is the position's, the price the lowest at which it sells."""
    sold_at = {"Price": price_text(order.bid.other_price)}
    return (
        {"Ticker": position.ticker, "Side": position.side.value} | sold_at | {"Count": count_text(order.bid.count)}
    )


def held_position(position: Position) -> Fields:
    said = {"Ticker": position.ticker, "Side": position.side.value, "Count": count_text(position.size)}
    return said | {"Cost": f"${position.exposure:.4f}"}


def kept_position(position: Position, reason: str) -> Fields:
    count = {"Count": count_text(position.size)}
    return {"Ticker": position.ticker, "Side": position.side.value} | count | {"Reason": reason}


def fill(done: Fill, closed: Decimal = Decimal(0)) -> Fields:
    """A fill, of which `closed` contracts closed a position on the other side.

    A fill that only closes is shown as a sale: buying NO at 0.40 is selling a held YES at 0.60."""
    is_sale = closed == done.count
    side = done.side.other if is_sale else done.side
    price = ONE_DOLLAR - done.price if is_sale else done.price
    said = {
        "Ticker": done.ticker,
        "Side": side.value,
        "Action": "sell" if is_sale else "buy",
        "Count": count_text(done.count),
        "Price": price_text(price),
    }
    if closed and not is_sale:
        said["Of it"] = (
            f"{count_text(closed)} sell {done.side.other.value} at {price_text(ONE_DOLLAR - done.price)}"
        )
    role = "taker" if done.is_taker else "maker"
    return said | {"Fee": f"${done.fee:.4f}", "Role": role, "At": local_time(done.time)}


NOT_KNOWN = "not known"


def signed_dollars(dollars: float | Decimal | None) -> str:
    """Format dollars that may be negative, or "not known" for None."""
    return NOT_KNOWN if dollars is None else f"{'-' if dollars < 0 else ''}${abs(dollars):.4f}"


def short_dollars(dollars: float | Decimal | None) -> str:
    """Format dollars for a narrow column.

    Four decimals below $10, cents below $1,000, whole dollars from there."""
    if dollars is None:
        return NOT_KNOWN
    size = abs(float(dollars))
    places = 4 if size < 10 else 2 if size < 1_000 else 0
    return f"{'-' if dollars < 0 else ''}${abs(dollars):,.{places}f}"
