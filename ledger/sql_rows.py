"""What is in the ledger, as the rows of its tables, both ways.

Promise: exact and complete: what comes back is what went in, money as text, times in microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from exchange.account import Fill, Settlement
from exchange.models import IncentiveType, OrderStatus, Program
from exchange.orderbook import Book, Level, Side
from ledger.cash_reconciliation import Stretch, Till
from ledger.entries import EPOCH, Flow, Mark, Seconds, SecondsOf, Stay
from ledger.markouts import Point, Seen

_MICROSECOND = timedelta(microseconds=1)

Row = Sequence[Any]
T = TypeVar("T")
S = TypeVar("S")


def moment(when: datetime) -> int:
    """Whole microseconds since 1970."""
    return (when - EPOCH) // _MICROSECOND


def time(microseconds: int) -> datetime:
    return EPOCH + microseconds * _MICROSECOND


def maybe(convert: Callable[[S], T], value: S | None) -> T | None:
    return None if value is None else convert(value)


def order_row(stay: Stay) -> Row:
    return (
        stay.order_id, stay.client_order_id, stay.ticker, stay.side.value, str(stay.price), str(stay.asked),
        str(stay.filled), str(stay.fees), stay.status.value, moment(stay.created), maybe(moment, stay.expires),
        maybe(moment, stay.ended),
    )  # fmt: skip


def order_of(row: Row) -> Stay:
    order_id, client_id, ticker, side, price, asked, filled, fees, status, created, expires, ended = row
    return Stay(
        order_id, client_id, ticker, Side(side), Decimal(price), Decimal(asked), Decimal(filled), Decimal(fees),
        OrderStatus(status), time(created), maybe(time, expires), maybe(time, ended),
    )  # fmt: skip


def fill_row(fill: Fill, earlier: bool) -> Row:
    return (
        fill.fill_id, fill.order_id, fill.ticker, fill.side.value, str(fill.price), str(fill.count), str(fill.fee),
        fill.is_taker, moment(fill.time), earlier,
    )  # fmt: skip


def fill_of(row: Row) -> Fill:
    fill_id, order_id, ticker, side, price, count, fee, is_taker, at, _ = row
    return Fill(
        fill_id,
        order_id,
        ticker,
        Side(side),
        Decimal(price),
        Decimal(count),
        Decimal(fee),
        bool(is_taker),
        time(at),
    )


def settlement_row(one: Settlement, earlier: bool) -> Row:
    return (
        one.ticker, moment(one.time), one.event_ticker, str(one.yes_count), str(one.yes_cost), str(one.no_count),
        str(one.no_cost), str(one.revenue), str(one.fee), maybe(str, one.yes_payout), one.exchange_index, earlier,
    )  # fmt: skip


def settlement_of(row: Row) -> Settlement:
    ticker, at, event, yes, yes_cost, no, no_cost, revenue, fee, payout, exchange_index, _ = row
    return Settlement(
        ticker, event, Decimal(yes), Decimal(yes_cost), Decimal(no), Decimal(no_cost), Decimal(revenue),
        Decimal(fee), maybe(Decimal, payout), exchange_index, time(at),
    )  # fmt: skip


def program_row(program: Program) -> Row:
    return (
        program.id, program.ticker, program.type.value, moment(program.start), moment(program.end),
        str(program.reward), program.paid_out, maybe(str, program.target), maybe(str, program.discount),
        maybe(str, program.cap),
    )  # fmt: skip


def program_of(row: Row) -> Program:
    program_id, ticker, kind, starts, ends, reward, paid_out, *terms = row
    target, discount, cap = (maybe(Decimal, term) for term in terms)
    return Program(
        program_id, ticker, IncentiveType(kind), time(starts), time(ends), Decimal(reward), bool(paid_out), target,
        discount, cap,
    )  # fmt: skip


def look_row(book: Book) -> Row:
    sides = ([[str(price), str(size)] for price, size in levels] for levels in (book.yes, book.no))
    return (book.ticker, *map(json.dumps, sides))


def look_of(row: Row) -> Book:
    ticker, *sides = row
    yes, no = (
        tuple(Level(Decimal(price), Decimal(size)) for price, size in json.loads(levels)) for levels in sides
    )
    return Book(ticker, yes, no)


def mark_row(mark: Mark) -> Row:
    return moment(mark.at), maybe(str, mark.free_cash), str(mark.held), maybe(str, mark.day_profit), mark.accrued


def mark_of(row: Row) -> Mark:
    at, cash, held, profit, accrued = row
    return Mark(time(at), maybe(Decimal, cash), Decimal(held), maybe(Decimal, profit), accrued)


def seconds_row(key: SecondsOf, seconds: Seconds) -> Row:
    return (key.program_id, key.side.value, key.day.isoformat(), key.ticker, *seconds)


def seconds_of(row: Row) -> tuple[SecondsOf, Seconds]:
    program_id, side, day, ticker, *numbers = row
    return SecondsOf(program_id, Side(side), date.fromisoformat(day), ticker), Seconds(*numbers)


def stretch_row(one: Stretch) -> Row:
    return (moment(one.since), moment(one.until), one.anew, *map(str, one.first), *map(str, one.last))


def stretch_of(row: Row) -> Stretch:
    since, until, anew, *money = row
    first, last = (Till(*map(Decimal, three)) for three in (money[:3], money[3:]))
    return Stretch(time(since), time(until), first, last, bool(anew))


def flow_row(flow: Flow) -> Row:
    return flow.id, flow.kind, str(flow.amount), str(flow.moves), moment(flow.at)


def flow_of(row: Row) -> Flow:
    flow_id, kind, amount, moves, at = row
    return Flow(flow_id, kind, Decimal(amount), Decimal(moves), time(at))


def markout_row(point: Point, seen: Seen) -> Row:
    bids = (maybe(str, bid) for bid in (seen.yes_bid, seen.no_bid))
    return (point.fill_id, point.name, moment(seen.at), *bids, seen.is_candle)


def markout_of(row: Row) -> tuple[Point, Seen]:
    fill_id, name, at, yes_bid, no_bid, is_candle = row
    return Point(fill_id, name), Seen(time(at), maybe(Decimal, yes_bid), maybe(Decimal, no_bid), bool(is_candle))
