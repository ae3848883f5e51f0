"""The form of `trade.log`: where lines go and what each says. Deciding to write one is the bot's.

Promise: one event a line, the same on the console and in the file, in local time:

    2026-01-16 18:05:57 [CANCEL ORDER] Ticker: KXHIGHCHI-26JAN16-B35.5 | Side: yes | Price: 0.4600
      └─ details, where there are any

Nothing that an exchange or a file says can forge a line: line breaks in values become spaces.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from account import Fill, Position
from errors import ConfigError
from incentive import Candidate, Choice, Reason, Skip, contracts
from models import Bid, Book, Order, OrderRequest, OrderResponse, Program, Side

TOP_LEVELS = 5
SKIPS_IN_DETAIL = 20

Said = dict[str, str]
"""What an event says, as `Key: value` pairs in the order in which they are shown."""


class Console(logging.Handler):
    """The terminal, for as long as somebody reads it. A closed one neither stops the bot nor fills another
    stream with complaints: the file has every line."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        try:
            print(text, flush=True)
        except UnicodeEncodeError:  # a terminal that knows no box-drawing signs
            print(text.encode("ascii", "replace").decode(), flush=True)
        except (OSError, ValueError):  # a broken pipe, a closed terminal, a closed stream
            self.setLevel(logging.CRITICAL + 1)


class Told:
    """What was told of choices so far, so that the log says what is new: markets taken up, changed, given up, and
    why the best of the others are not quoted."""

    def __init__(self) -> None:
        self._quoted: dict[str, tuple[Program, ...]] = {}
        self._skips: dict[str, Reason] = {}

    def news(self, choice: Choice) -> Iterator[tuple[str, Mapping[str, object]]]:
        """Events and what they say, in the order in which they are logged."""
        chosen = {candidate.ticker: candidate for candidate in choice.chosen}
        reasons = {skip.ticker: skip for skip in choice.skipped}
        for ticker, candidate in chosen.items():
            programs = candidate.incentive.programs
            if ticker not in self._quoted:
                yield "NEW INCENTIVE", new_incentive(candidate)
            elif programs != self._quoted[ticker]:
                was = {"Was": terms(self._quoted[ticker])}
                yield "UPDATE INCENTIVE", {"Ticker": ticker} | was | {"Now": terms(programs)}
        for ticker in self._quoted.keys() - chosen.keys():
            skip = reasons.get(ticker)
            yield "INFO", {"Ticker": ticker, "No longer quoted": why(skip) if skip else "its programs ended"}
        counts = Counter(skip.reason.value for skip in choice.skipped)
        yield "INFO", {"Markets with programs": len(chosen) + len(reasons), "Quoted": len(chosen), **counts}
        for skip in choice.skipped[:SKIPS_IN_DETAIL]:
            if skip.ticker not in self._quoted and self._skips.get(skip.ticker) is not skip.reason:
                yield "SKIP MARKET", {"Ticker": skip.ticker, "Reason": why(skip)}
            self._skips[skip.ticker] = skip.reason
        self._skips = {ticker: reason for ticker, reason in self._skips.items() if ticker in reasons}
        self._quoted = {ticker: candidate.incentive.programs for ticker, candidate in chosen.items()}


def open_log(path: Path) -> logging.Logger:
    """The one logger, writing to the console and appending to `path`."""
    logger = logging.Logger("trade", logging.INFO)
    try:
        handlers: list[logging.Handler] = [
            Console(),
            logging.FileHandler(path, encoding="utf-8"),
        ]
    except OSError as error:
        raise ConfigError(
            f"The log {path} cannot be written ({error.strerror}). Nobody should trade without a log: make the "
            "file and its folder writable, or run the bot from a copy that is."
        ) from None
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
    return logger


def entry(when: datetime, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> str:
    """One event, ready to be written. `fields` are `Key: value` pairs, or a sentence."""
    said = fields if isinstance(fields, str) else " | ".join(f"{key}: {value}" for key, value in fields.items())
    lines = [f"{when.astimezone():%Y-%m-%d %H:%M:%S} [{event}] {_one_line(said)}"]
    return "\n".join(lines + [f"  └─ {_one_line(detail)}" for detail in details])


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def local_time(when: datetime) -> str:
    """A time of day as the log's own lines show it."""
    return f"{when.astimezone():%H:%M:%S}"


def plain(number: Decimal) -> str:
    """A number of contracts without needless zeros."""
    return f"{number.normalize():f}"


def price(dollars: Decimal) -> str:
    return f"{dollars:.4f}"


def top_levels(book: Book) -> list[str]:
    """The best prices of both sides, as details of `[ORDER BOOK]`."""
    lines = []
    for side in Side:
        best = [f"${price(level.price)} x {plain(level.size)}" for level in book.side(side)[:TOP_LEVELS]]
        lines.append(f"{side.value.title()} (Top {TOP_LEVELS}): {' | '.join(best) or 'nobody bids'}")
    return lines


def resting_order(order: Order) -> Said:
    return {"Ticker": order.ticker, "Side": order.side.value, "Price": price(order.price)}


def new_order(ticker: str, bid: Bid) -> Said:
    return {
        "Ticker": ticker,
        "Side": bid.side.value,
        "Action": "buy",
        "Count": plain(bid.count),
        "Type": "limit",
        "Price": price(bid.price),
    }


def order_response(response: OrderResponse) -> Said:
    said = {
        "OrderID": f"{response.order_id[:8]}...",
        "Status": response.status.value,
        "Filled": plain(response.filled),
        "Remaining": plain(response.remaining),
    }
    if response.average_fee is not None:
        said["Fee"] = f"${response.average_fee * response.filled:.4f}"
    return said


def closing(position: Position, order: OrderRequest) -> Said:
    """The side is the one held, the price what it is sold at."""
    sold_at = {"Price": price(order.bid.other_price)}
    return {"Ticker": position.ticker, "Side": position.side.value} | sold_at | {"Count": plain(position.size)}


def kept_position(position: Position, reason: str) -> Said:
    count = {"Count": plain(position.size)}
    return {"Ticker": position.ticker, "Side": position.side.value} | count | {"Reason": reason}


def fill(done: Fill) -> Said:
    return {
        "Ticker": done.ticker,
        "Side": done.side.value,
        "Action": "buy",
        "Count": plain(done.count),
        "Price": price(done.price),
        "Fee": f"${done.fee:.4f}",
        "Role": "taker" if done.is_taker else "maker",
        "At": local_time(done.time),
    }


def new_incentive(candidate: Candidate) -> Said:
    estimate = candidate.estimate
    return {
        "Ticker": candidate.ticker,
        "Pool": f"${candidate.incentive.pool_per_day:,.2f} a day",
        "Terms": terms(candidate.incentive.programs),
        "Our share": f"yes {estimate.share_yes:.3%}, no {estimate.share_no:.3%}",
        "Estimate": expected(estimate.dollars_per_day, estimate.payable),
    }


def expected(dollars_per_day: float, payable: Decimal) -> str:
    """What quotes would earn by the rule, and what would really be paid: nothing below $1.00 a window."""
    return f"${dollars_per_day:.4f} a day before the $1.00 floor, ${payable:.2f} payable"


def terms(programs: Iterable[Program]) -> str:
    """What programs pay and ask for."""
    return " + ".join(
        f"${program.reward:,.2f} until {program.end:%Y-%m-%d %H:%M} UTC, "
        f"target {contracts(program.target or 0)}, discount {program.discount}"
        for program in programs
    )


def why(skip: Skip) -> str:
    return f"{skip.reason.value} | {skip.label}: {skip.number}"
