"""What the settings are expected to bring and cost a day, by the board now.

Promise:
- Estimates are those that decide: rivals are counted twice, seconds that do not qualify earn nothing.
- What a reward brings a day is never more than its rate while quoting.
- A board that cannot be read is told as not known, with the reason.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from bot.settings import Settings, strategy_of
from clients import KalshiHttpClient
from exchange.errors import ExchangeError
from exchange.models import ExchangeStatus, Order
from exchange.orderbook import ONE_DOLLAR, Side
from exchange.reserves import FreeCash
from incentive import Board, IncentiveProgram
from rewards.estimate import RIVAL_MULTIPLIER, Candidate
from rewards.fees import TAKER_RATE
from risk import exposure
from runtime.log_format import Fields, signed_dollars

READ_SECONDS = 90.0
"""Seconds after which the board counts as not read."""


class CrossCost(NamedTuple):
    """Dollars that selling one filled contract at the best bid costs."""

    spread: Decimal
    fee: Decimal
    ticker: str

    @property
    def total(self) -> Decimal:
        return self.spread + self.fee


class Expectation(NamedTuple):
    """What the chosen markets are expected to bring and cost a day, in dollars.

    `rewards` are payable, `fills` are contracts, `costs` what they lose by `FILL_COST` each and pay in maker fees.
    `cross`: of a typical quote, None if no book shows it; `fill_cost` is that of its market. `advice`: what to
    change if no market is chosen. `is_cash_known`: if not, `MAX_CAPITAL` alone limited the choice."""

    markets: int
    slots: int
    rewards: float
    fills: float
    costs: float
    fill_cost: float
    cross: CrossCost | None
    advice: str = ""
    is_cash_known: bool = True

    @property
    def net(self) -> float:
        return self.rewards - self.costs


def expect(board: Board, settings: Settings) -> Expectation:
    """What the markets that a scan chose are expected to bring and cost."""
    chosen = board.selection.chosen
    cross = typical_cross(chosen or board.selection.runners_up)
    decided = [candidate.conservative for candidate in chosen]
    return Expectation(
        len(chosen),
        settings.trade_ticker_size,
        sum(min(one.worth_per_day, one.dollars_per_day) for one in decided),
        sum(one.fills_per_day for one in decided),
        sum(one.fill_cost_per_day + one.fees_per_day for one in decided),
        (settings.per_market.of(cross.ticker) if cross else settings).fill_cost,
        cross,
        "" if chosen else board.advice,
    )


def typical_cross(candidates: Iterable[Candidate]) -> CrossCost | None:
    """The middle one of what sales cost in these quotes, None if there are none."""
    costs = [
        cost
        for candidate in candidates
        for bid in candidate.bids
        if (cost := _cross(candidate, bid.side)) is not None
    ]
    return statistics.median_high(sorted(costs, key=lambda cost: cost.total)) if costs else None


def _cross(candidate: Candidate, side: Side) -> CrossCost | None:
    """The rivals' whole spread, and the taker fee at the exchange's common rate."""
    best, other = candidate.rivals.best(side), candidate.rivals.best(side.other)
    if best is None or other is None:
        return None
    fee = Decimal(str(TAKER_RATE)) * best.price * (ONE_DOLLAR - best.price)
    return CrossCost(ONE_DOLLAR - other.price - best.price, fee, candidate.ticker)


def read(
    client: KalshiHttpClient,
    settings: Settings,
    status: ExchangeStatus,
    orders: Collection[Order],
    cash: FreeCash | None,
    accrued_by_program: Mapping[str, float],
) -> Expectation | str:
    """Read the board as a start would, and return what it is expected to bring.

    A start cancels all `orders` and sells all positions first. Returns why it is not known if the board cannot be
    read."""
    limits, now = (settings.max_capital, settings.max_event_loss), client.clock.now()
    headroom = exposure.remaining_headroom(limits, cash, (), (), orders)
    give_up = client.clock.monotonic() + READ_SECONDS
    programs = IncentiveProgram(client, strategy_of(settings))
    try:
        board = programs.scan(status, orders, settings.expiry(now, now), headroom, accrued_by_program, give_up)
    except ExchangeError as error:
        return f"the board could not be read ({error})"
    return expect(board, settings)._replace(is_cash_known=cash is not None)


def lines(found: Expectation | str) -> Iterator[Fields]:
    """Log lines: what a day brings and costs, and what a sale at once costs."""
    if isinstance(found, str):
        yield {"Expected": f"not known: {found}"}
        yield {"CROSS": "not known, for the same reason"}
        return
    if found.markets:
        what = f"{found.markets} of {found.slots} slots filled by the board read now"
    else:
        what = found.advice or "no market is worth a slot, so nothing is quoted now"
    what += "" if found.is_cash_known else "; the cash is not known, and may be too little for that"
    yield {
        "Expected": what,
        "Rewards": f"${found.rewards:,.2f} a day payable, with {RIVAL_MULTIPLIER:g} times the rivals",
        "Fills": f"{found.fills:,.1f} contracts a day, which cost ${found.costs:,.2f} by FILL_COST and maker fees",
        "Net": f"{signed_dollars(found.net)} a day",
    }
    yield {"CROSS": cross_text(found)}


def cross_text(found: Expectation) -> str:
    """What selling at once costs, for a contract and for a day's fills."""
    cross = found.cross
    if cross is None:
        return "not known: no size was tried in a market that has bids on both sides"
    day = f", ${float(cross.total) * found.fills:,.2f} a day at {found.fills:,.1f} fills" if found.markets else ""
    day += f"; that is more than FILL_COST (${found.fill_cost:g})" if cross.total > found.fill_cost else ""
    return (
        f"selling a filled contract at once costs about ${cross.total:.4f} (${cross.spread:.4f} of spread, "
        f"${cross.fee:.4f} of taker fee, as in {cross.ticker}){day}"
    )
