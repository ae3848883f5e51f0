"""Convert the ledger's entries to rows of its tables, and back.

Promise:
- An entry converted to a row and back is equal to the original.
- Money is stored as text, a time as whole microseconds since 1970 (UTC).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from exchange.account import Fill, Settlement
from exchange.models import IncentiveType, OrderStatus, Program
from exchange.orderbook import Book, Level, Side
from exchange.reserves import BalanceReading, CashRule
from ledger.balance_reading import KnownCashRule
from ledger.cash_reconciliation import CashReading, ExplainedSpan
from ledger.database import insert
from ledger.entries import (
    EPOCH,
    AccountMark,
    AccrualKey,
    AccruedSeconds,
    CashFlow,
    CycleRecord,
    OrderRecord,
    PendingWrites,
    PositionAdjustment,
    PriceLook,
)
from ledger.markouts import BestBids, MarkoutPoint

_MICROSECOND = timedelta(microseconds=1)

_ADD_CAPITAL = """
INSERT INTO capital VALUES (?, ?, ?) ON CONFLICT (day, ticker) DO UPDATE SET
    dollar_seconds = capital.dollar_seconds + excluded.dollar_seconds
"""

Row = Sequence[Any]
T = TypeVar("T")
S = TypeVar("S")


def to_micros(when: datetime) -> int:
    """Whole microseconds since 1970."""
    return (when - EPOCH) // _MICROSECOND


def from_micros(microseconds: int) -> datetime:
    return EPOCH + microseconds * _MICROSECOND


def optional(convert: Callable[[S], T], value: S | None) -> T | None:
    return None if value is None else convert(value)


def order_row(record: OrderRecord) -> Row:
    return (
        record.order_id, record.client_order_id, record.ticker, record.side.value, str(record.price),
        str(record.asked), str(record.filled), str(record.fees), record.status.value, to_micros(record.created),
        optional(to_micros, record.expires), optional(to_micros, record.ended),
    )  # fmt: skip


def order_of(row: Row) -> OrderRecord:
    order_id, client_id, ticker, side, price, asked, filled, fees, status, created, expires, ended = row
    return OrderRecord(
        order_id, client_id, ticker, Side(side), Decimal(price), Decimal(asked), Decimal(filled), Decimal(fees),
        OrderStatus(status), from_micros(created), optional(from_micros, expires), optional(from_micros, ended),
    )  # fmt: skip


def fill_row(fill: Fill, earlier: bool) -> Row:
    return (
        fill.fill_id, fill.order_id, fill.ticker, fill.side.value, str(fill.price), str(fill.count), str(fill.fee),
        fill.is_taker, to_micros(fill.time), earlier, fill.exchange_index,
    )  # fmt: skip


def fill_of(row: Row) -> Fill:
    fill_id, order_id, ticker, side, price, count, fee, is_taker, at, _, exchange_index = row
    return Fill(
        fill_id,
        order_id,
        ticker,
        Side(side),
        Decimal(price),
        Decimal(count),
        Decimal(fee),
        bool(is_taker),
        from_micros(at),
        exchange_index,
    )


def settlement_row(one: Settlement, earlier: bool) -> Row:
    return (
        one.ticker, to_micros(one.time), one.event_ticker, str(one.yes_count), str(one.yes_cost),
        str(one.no_count), str(one.no_cost), str(one.revenue), str(one.fee), optional(str, one.yes_payout),
        one.exchange_index, earlier,
    )  # fmt: skip


def settlement_of(row: Row) -> Settlement:
    ticker, at, event, yes, yes_cost, no, no_cost, revenue, fee, payout, exchange_index, _ = row
    return Settlement(
        ticker, event, Decimal(yes), Decimal(yes_cost), Decimal(no), Decimal(no_cost), Decimal(revenue),
        Decimal(fee), optional(Decimal, payout), exchange_index, from_micros(at),
    )  # fmt: skip


def program_row(program: Program) -> Row:
    return (
        program.id, program.ticker, program.type.value, to_micros(program.start), to_micros(program.end),
        str(program.reward), program.paid_out, optional(str, program.target), optional(str, program.discount),
        optional(str, program.cap),
    )  # fmt: skip


def program_of(row: Row) -> Program:
    program_id, ticker, kind, starts, ends, reward, paid_out, *terms = row
    target, discount, cap = (optional(Decimal, term) for term in terms)
    return Program(
        program_id, ticker, IncentiveType(kind), from_micros(starts), from_micros(ends), Decimal(reward),
        bool(paid_out), target, discount, cap,
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


def mark_row(mark: AccountMark) -> Row:
    return (
        to_micros(mark.at),
        optional(str, mark.free_cash),
        str(mark.held),
        optional(str, mark.day_profit),
        mark.accrued,
        optional(str, mark.own_profit),
    )


def mark_of(row: Row) -> AccountMark:
    at, cash, held, profit, accrued, own = row
    money = optional(Decimal, cash), Decimal(held), optional(Decimal, profit)
    return AccountMark(from_micros(at), *money, accrued, optional(Decimal, own))


def adjustment_row(one: PositionAdjustment) -> Row:
    return (to_micros(one.time), one.ticker, str(one.change), optional(str, one.price))


def adjustment_of(row: Row) -> PositionAdjustment:
    at, ticker, count, price = row
    return PositionAdjustment(from_micros(at), ticker, Decimal(count), optional(Decimal, price))


def price_row(ticker: str, look: PriceLook) -> Row:
    return (ticker, to_micros(look.at), *(optional(str, bid) for bid in (*look.counted, *look.bids)))


def price_of(row: Row) -> tuple[str, PriceLook]:
    ticker, at, *bids = row
    yes, no, last_yes, last_no = (optional(Decimal, bid) for bid in bids)
    return ticker, PriceLook(from_micros(at), (last_yes, last_no), (yes, no))


def seconds_row(key: AccrualKey, seconds: AccruedSeconds) -> Row:
    return (key.program_id, key.side.value, key.day.isoformat(), key.ticker, *seconds)


def seconds_of(row: Row) -> tuple[AccrualKey, AccruedSeconds]:
    program_id, side, day, ticker, *numbers = row
    return AccrualKey(program_id, Side(side), date.fromisoformat(day), ticker), AccruedSeconds(*numbers)


def cycle_of(row: Row) -> CycleRecord:
    began, *rest = row
    return CycleRecord(from_micros(began), *rest)


def cash_rule_row(known: KnownCashRule) -> Row:
    return known.rule.balance.value, optional(to_micros, known.at), known.rule.closing


def cash_rule_of(row: Row) -> KnownCashRule:
    balance, at, closing = row
    return KnownCashRule(CashRule(BalanceReading(balance), optional(bool, closing)), optional(from_micros, at))


def stretch_row(one: ExplainedSpan) -> Row:
    money = *map(str, one.first), *map(str, one.last)
    return (to_micros(one.since), to_micros(one.until), one.anew, *money, one.reread)


def stretch_of(row: Row) -> ExplainedSpan:
    since, until, anew, *money, reread = row
    first, last = (CashReading(*map(Decimal, three)) for three in (money[:3], money[3:]))
    return ExplainedSpan(from_micros(since), from_micros(until), first, last, bool(anew), bool(reread))


def flow_row(flow: CashFlow) -> Row:
    return flow.id, flow.kind, str(flow.amount), str(flow.moves), to_micros(flow.at)


def flow_of(row: Row) -> CashFlow:
    flow_id, kind, amount, moves, at = row
    return CashFlow(flow_id, kind, Decimal(amount), Decimal(moves), from_micros(at))


def markout_row(point: MarkoutPoint, seen: BestBids) -> Row:
    bids = (optional(str, bid) for bid in (seen.yes_bid, seen.no_bid))
    return (point.fill_id, point.name, to_micros(seen.at), *bids, seen.is_candle)


def markout_of(row: Row) -> tuple[MarkoutPoint, BestBids]:
    fill_id, name, at, yes_bid, no_bid, is_candle = row
    return MarkoutPoint(fill_id, name), BestBids(
        from_micros(at), optional(Decimal, yes_bid), optional(Decimal, no_bid), bool(is_candle)
    )


def insert_watched(db: sqlite3.Connection, pending: PendingWrites) -> None:
    """Insert what only a report needs."""
    insert(db, "cash", map(stretch_row, pending.cash.values()), "OR REPLACE")
    insert(db, "payments", map(flow_row, pending.flows.values()), "OR REPLACE")
    insert(db, "markouts", (markout_row(*one) for one in pending.markouts.items()), "OR IGNORE")
    outcomes = ((t, to_micros(one.at), str(one.yes_payout)) for t, one in pending.outcomes.items())
    insert(db, "outcomes", outcomes, "OR REPLACE")
    capital = [(day.isoformat(), ticker, of) for (day, ticker), of in pending.capital.items()]
    db.executemany(_ADD_CAPITAL, capital)
