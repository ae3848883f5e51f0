"""Screen programs and markets before any order book is read.

Promise:
- Every function is pure.
- Each market that is left out has exactly one reason with its number.

Screening comes first because reading the books is the cost of a board scan.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.models import Event, ExchangeStatus, IncentiveType, Market, MarketStatus, Program, Series
from exchange.ticker_patterns import PerMarket, any_of, matches
from rewards.estimate import NOTHING_ACCRUED, RewardedMarket, dollars_per_day
from rewards.fees import maker_rate_of
from rewards.rule_2026_07_30 import KNOWN_SINCE, KNOWN_UNTIL
from rewards.rule_dates import ends_soon, is_known, utc
from rewards.skips import Reason, Skip

_NO_HOURS = PerMarket(0.0)


@dataclass(frozen=True, slots=True)
class Screen:
    """The user's settings for which markets to trade.

    `only` and `avoid` are ticker patterns such as "KXHIGH*". An empty `only` allows all markets.
    `min_hours_to_close`: hours that a market must have left before it closes or is expected to resolve.
    `known_rule_only`: whether to leave out what reaches beyond the dates for which the reward rule is known."""

    only: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    min_hours_to_close: PerMarket[float] = _NO_HOURS
    known_rule_only: bool = False

    def programs(self, programs: Iterable[Program], now: datetime) -> tuple[dict[str, list[Program]], list[Skip]]:
        """The programs that pay for resting orders now, by market, richest a day first.

        Also returns a reason for each market that has none of them or is unwanted."""
        by_ticker: dict[str, list[Program]] = defaultdict(list)
        refused: dict[str, Skip] = {}
        for program in programs:
            skip = _not_running(program, now)
            if skip is None and self.known_rule_only and not is_known(program):
                skip = _rule_not_known(program)
            if skip is None:
                by_ticker[program.ticker].append(program)
            else:
                refused.setdefault(program.ticker, skip)
        found: dict[str, list[Program]] = {}
        skipped = [skip for ticker, skip in refused.items() if ticker not in by_ticker]
        unwanted = self.unwanted()
        for ticker, same_market in by_ticker.items():
            skip = unwanted(ticker)
            if skip is None:
                found[ticker] = sorted(same_market, key=lambda p: (-dollars_per_day(p), p.id))
            else:
                skipped.append(skip)
        return found, skipped

    def unmatched(self, programs: Iterable[Program]) -> Iterator[str]:
        """The patterns that match the market of no listed program.

        A clause for each setting. A misspelled pattern is an example."""
        tickers = {program.ticker for program in programs}
        overridden = [pattern for pattern, _ in self.min_hours_to_close.exceptions]
        for name, patterns in (("ONLY", self.only), ("OVERRIDES", overridden)):
            lost = [pattern for pattern in patterns if not any(matches(pattern, ticker) for ticker in tickers)]
            if lost:
                yield f"no listed market matches {', '.join(lost)} in {name}"

    def unwanted(self) -> Callable[[str], Skip | None]:
        """Return a function from a ticker to the reason to skip it, or to None."""
        only, avoid = (any_of(patterns) for patterns in (self.only, self.avoid))

        def skip(ticker: str) -> Skip | None:
            if self.only and not only.match(ticker):
                return Skip(ticker, Reason.ONLY, "Patterns", ", ".join(self.only))
            if self.avoid and avoid.match(ticker):
                pattern = next(pattern for pattern in self.avoid if matches(pattern, ticker))
                return Skip(ticker, Reason.AVOID, "Pattern", pattern)
            return None

        return skip

    def markets(
        self,
        by_ticker: Mapping[str, Sequence[Program]],
        markets: Mapping[str, Market],
        status: ExchangeStatus,
        now: datetime,
        until: datetime,
    ) -> tuple[list[Market], list[Skip]]:
        """The markets in which an order could rest until its expiry, `until`.

        Also returns a reason for each of the others."""
        found: list[Market] = []
        skipped: list[Skip] = []
        rests = (until - now).total_seconds() / 3600
        for ticker in by_ticker:
            market = markets.get(ticker)
            hours = max(self.min_hours_to_close.of(ticker), rests)
            skip = _not_tradable(ticker, market, status, now, hours)
            if skip is None and market is not None and self.known_rule_only:
                skip = _outlives_rule(market, now)
            if skip is not None:
                skipped.append(skip)
            elif market is not None:
                found.append(market)
        return found, skipped


def _not_running(program: Program, now: datetime) -> Skip | None:
    if program.type is not IncentiveType.LIQUIDITY:
        return Skip(program.ticker, Reason.NOT_LIQUIDITY, "Type", program.type.value)
    if program.paid_out:
        return Skip(program.ticker, Reason.PAID_OUT, "Ended", f"{program.end:%Y-%m-%d %H:%M} UTC")
    if not program.start <= now < program.end:
        return Skip(
            program.ticker,
            Reason.NOT_RUNNING,
            "Window",
            f"{program.start:%m-%d %H:%M} to {program.end:%m-%d %H:%M} UTC",
        )
    if not program.target or program.discount is None:
        return Skip(program.ticker, Reason.NO_PUBLISHED_SCORE, "Target", str(program.target))
    return None


def _rule_not_known(program: Program) -> Skip:
    known = f"the rule is known from {KNOWN_SINCE:%Y-%m-%d} to {utc(KNOWN_UNTIL)}"
    window = f"{program.start:%Y-%m-%d %H:%M} to {utc(program.end)}, {known}"
    return Skip(program.ticker, Reason.RULE_NOT_KNOWN, "Window", window)


def _outlives_rule(market: Market, now: datetime) -> Skip | None:
    """A market whose positions might still be held when the rule's known time ends."""
    if not ends_soon(now) or market.ends < KNOWN_UNTIL:
        return None
    number = f"{utc(market.ends)}, not before the rule's known end ({utc(KNOWN_UNTIL)})"
    return Skip(market.ticker, Reason.RULE_ENDS_SOON, _what_ends(market), number)


def _what_ends(market: Market) -> str:
    return "Closes" if market.ends == market.close_time else "Expected to resolve"


def _not_tradable(
    ticker: str, market: Market | None, status: ExchangeStatus, now: datetime, hours: float
) -> Skip | None:
    if market is None:
        return Skip(ticker, Reason.NO_MARKET, "Market", "not listed by the exchange")
    if market.status is not MarketStatus.ACTIVE:
        return Skip(ticker, Reason.MARKET_STATUS, "Status", market.status.value)
    if not status.trades(market.exchange_index):
        return Skip(ticker, Reason.TRADING_PAUSED, "Shard", str(market.exchange_index))
    left = (market.ends - now).total_seconds() / 3600
    if left <= hours:
        number = f"in {math.floor(max(left, 0.0) * 10) / 10:.1f} hours, at least {hours:.3g} wanted"
        return Skip(ticker, Reason.MIN_HOURS_TO_CLOSE, _what_ends(market), number)
    return None


def with_terms(
    markets: Iterable[Market],
    by_ticker: Mapping[str, Sequence[Program]],
    series: Mapping[str, Series],
    events: Mapping[str, Event],
    qualified: Mapping[str, float],
    accrued_by_program: Mapping[str, float] = NOTHING_ACCRUED,
) -> list[RewardedMarket]:
    """Combine markets with their programs and all else that is known of them.

    `qualified`: by ticker, the part of our looks at a market in which it qualified. `accrued_by_program`: dollars
    earned so far, by program id."""
    found = []
    for market in markets:
        event = events.get(market.event_ticker)
        found.append(
            RewardedMarket(
                market,
                tuple(by_ticker[market.ticker]),
                maker_rate_of(market, series, event),
                event is not None and event.mutually_exclusive,
                qualified.get(market.ticker, 1.0),
                accrued_by_program,
            )
        )
    return found
