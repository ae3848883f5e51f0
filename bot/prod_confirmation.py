"""Ask before the bot touches real money.

It shows what is at stake, and what a session's start would cancel and sell that the bot did not open. A person
agrees once for an account and its limits.

Promise:
- Nothing on the exchange is touched until the question is answered.
- Without an agreement that covers the limits it asks, also if the account is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import trade
from bot import agreement
from bot.settings import Settings
from clients import KalshiHttpClient
from exchange.account import Position
from exchange.errors import ExchangeError
from exchange.models import Order
from exchange.orderbook import Book
from exchange.reserves import CashRule, FreeCash, free_cash, reserves
from ledger.own_tags import OwnTags
from rewards import fees
from rewards.fees import TAKER_RATE
from runtime import log_format
from runtime.console import typed
from runtime.log_format import Fields, Log

Confirm = Callable[[str], bool]
"""Asks the person at the keyboard. Returns True if they agree."""

TAKE_OVER = "Cancel these orders and sell these positions, and treat the account as the bot's from now on?"


def no_keyboard() -> str:
    """The error if nobody can be asked, or would see the question."""
    told = "Not confirmed: no keyboard to ask at, or no place to show the question. Nothing was touched"
    return f"{told}. Start once at a keyboard, or with --yes: {typed('market_bot.py --yes')}"


class ForeignHoldings(NamedTuple):
    """The orders and positions of the account that the bot did not open.

    `books`: the rivals' books of the positions' markets. `all_orders`: every resting order. `all_positions`: the
    number of positions. `cash`: dollars that no order reserves, the smaller figure as long as that is not known;
    None if the balance cannot be read."""

    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    books: Mapping[str, Book]
    all_orders: tuple[Order, ...]
    all_positions: int
    cash: FreeCash | None


def find_foreign(
    client: KalshiHttpClient, opened: Mapping[str, Decimal], known: CashRule, own: OwnTags
) -> ForeignHoldings:
    """Find orders and positions that the bot of this ledger did not open.

    `opened`: contracts that the bot opened, by ticker, YES positive. `known`: how the exchange counts cash. Raises
    an `ExchangeError`."""
    orders = client.get_resting_orders().all_or_raise()
    held = client.get_positions().all_or_raise()
    positions = tuple(one for one in held if opened.get(one.ticker) != one.count)
    books = client.get_orderbooks([position.ticker for position in positions])
    foreign = tuple(order for order in orders if not own.is_own(order))
    rivals = trade.books_without_own(books, orders)
    reserved = reserves(orders, held, lambda _: fees.exact(fees.UNKNOWN_MAKER_RATE))
    try:
        free = free_cash(client.get_balance(), orders, reserved, known)
    except ExchangeError:  # the log says so
        free = None
    return ForeignHoldings(foreign, positions, rivals, tuple(orders), len(held), free)


def real_money(settings: Settings, about: Mapping[str, str], found: ForeignHoldings) -> Iterator[Fields]:
    """What is at stake: a line each for the account, the limits, the worst case."""
    has = {"Orders resting": str(len(found.all_orders)), "Positions": str(found.all_positions)}
    account = f"{about['Exchange']}, primary subaccount"
    cash = "not known" if found.cash is None else f"${found.cash.total:,.4f}"
    yield {"Account": account, "Free cash": cash} | has
    capital, event, day = settings.max_capital, settings.max_event_loss, settings.daily_loss_limit
    names = {"MAX_CAPITAL": capital, "MAX_EVENT_LOSS": event, "DAILY_LOSS_LIMIT": day}
    yield {"TRADE_SIZE": _sizes(settings)} | {name: f"${dollars:,.2f}" for name, dollars in names.items()}
    cases = f"${min(event, capital):,.2f} in one event, ${capital:,.2f} if all goes wrong at once"
    yield {"Worst case": f"{cases}, ${day + capital:,.2f} in a day, and fees on top"}


def _sizes(settings: Settings) -> str:
    """The size of an order, and those of single markets."""
    if settings.trade_size is None:
        return "AUTO"
    own = [
        f"{values['trade_size']:f} in {pattern}"
        for pattern, values in settings.overrides
        if "trade_size" in values
    ]
    return ", ".join([f"{settings.trade_size:f} contracts an order", *own])


def confirm(
    found: ForeignHoldings, missing: Sequence[str], log: Log, ask: Confirm | None, is_halted: bool = False
) -> bool:
    """List what was found, with what closing it costs, and ask if need be.

    `missing`: why the limits need an agreement; empty if they have one. `ask` is None if there is no keyboard. A
    halted bot leaves what it found alone, so it does not ask about that. Returns whether the person agrees; True
    if there is nothing to ask."""
    takes_over = bool(found.orders or found.positions) and not is_halted
    if not takes_over and not missing:
        return True
    if takes_over:
        _list(found, log)
    if missing:
        log("REAL MONEY", {"Agreement": f"needed: {'; '.join(missing)}", "Eligible": agreement.ELIGIBLE})
    if ask is None:
        log("STOP", no_keyboard())
        return False
    questions = [agreement.QUESTION] if missing else []
    questions += [TAKE_OVER] if takes_over else []
    if ask(" ".join(questions)):
        return True
    log("SHUTDOWN", "Not confirmed; nothing was touched")
    return False


def _list(found: ForeignHoldings, log: Log) -> None:
    for order in found.orders:
        said = log_format.resting_order(order) | {"Count": log_format.count_text(order.remaining)}
        closing = "it is canceled; another copy of the bot left it" if trade.is_own(order) else "it is canceled"
        log("FOUND ORDER", said | {"Closing": closing})
    for position in found.positions:
        log(
            "FOUND POSITION",
            log_format.held_position(position) | exit_line(position, found.books.get(position.ticker)),
        )


def exit_line(position: Position, rivals: Book | None) -> dict[str, str]:
    """What selling a position at the best bid costs.

    The fee is estimated at the exchange's common rate."""
    best = rivals.best(position.side) if rivals else None
    if rivals is None or best is None:
        return {"Closing": f"there are no bids for {position.side.value}: it would be kept"}
    spread = trade.exit_spread(position, rivals, best.price) * position.size
    fee = Decimal(str(TAKER_RATE)) * best.price * (1 - best.price) * position.size
    more = "" if best.size >= position.size else f"; only {log_format.count_text(best.size)} are bid at that price"
    cost = f"costs ${spread:.4f} of spread and about ${fee:.4f} of fees"
    return {"Closing": f"at {log_format.price_text(best.price)} it {cost}{more}"}
