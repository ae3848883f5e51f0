"""The settings as a person writes them at the top of `market_bot.py`, checked once at start.

Promise: every impossible or unknown setting is named, with what would be possible, before anything is sent; what
passes is exact (`Decimal`, whole ticks) and needs no second look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from clients import Environment
from exchange.errors import ConfigError
from execution.plan import Exit
from incentive import Strategy
from selection.ranking import Wish
from selection.screening import Screen
from trade import Trade

CENT = Decimal("0.01")
LONGEST_SECONDS = 86_400.0
LONGEST_HOURS = 24.0 * 365
MEGABYTE = 1_000_000
LARGEST_LOG, MOST_LOGS = 1_000, 100
LARGEST_GROUP = 1_000_000
"""Contracts: the largest limit of an order group that the exchange takes."""

AUTO = "AUTO"
"""`TRADE_SIZE = AUTO`: sizes by what each dollar would bring."""

NAMES = (
    "TRADE_SIZE",
    "TRADE_DELTA",
    "WAIT_TIME",
    "EXPIRATION_TS",
    "TRADE_TICKER_SIZE",
    "INCENTIVE_SIZE",
    "ONLY",
    "AVOID",
    "MAX_CAPITAL",
    "MAX_EVENT_LOSS",
    "MIN_HOURS_TO_CLOSE",
    "MIN_REWARD",
    "FILL_COST",
    "EXIT",
    "DAILY_LOSS_LIMIT",
    "FILL_PAUSE",
    "FILL_LIMIT",
    "SCAN_TIME",
    "LOG_SIZE",
    "LOG_FILES",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the bot runs by. Sizes in contracts (`trade_size` None: AUTO), `wait_seconds` from the start of a cycle
    to the start of the next, `expiration_seconds` that an order outlives the cycle that should have renewed it,
    `scan_seconds` between scans of the board, `fill_pause` in seconds, `fill_limit` in contracts (None: one
    largest order); limits, rewards and costs in dollars; `log_bytes` after which the log begins anew, and how many
    older `log_files` are kept."""

    environment: Environment
    trade_size: Decimal | None
    delta_ticks: int
    wait_seconds: float
    expiration_seconds: float
    ticker_slots: int
    incentive_size: Decimal | None
    only: tuple[str, ...]
    avoid: tuple[str, ...]
    max_capital: Decimal
    max_event_loss: Decimal
    hours_to_close: float
    min_reward: Decimal
    fill_cost: float
    exit: Exit
    daily_loss_limit: Decimal
    fill_pause: float
    fill_limit: Decimal | None
    scan_seconds: float
    log_bytes: int
    log_files: int

    def expiry(self, began: datetime, now: datetime) -> datetime:
        """When an order is gone that is placed or renewed `now`, in a cycle that `began` then, if nobody renews
        it: some time after the next cycle, which may have to wait for the end of this one."""
        next_cycle = max(began + timedelta(seconds=self.wait_seconds), now)
        return next_cycle + timedelta(seconds=self.expiration_seconds)

    def in_words(self) -> dict[str, object]:
        """By name, as the log shows them."""
        return {
            "TRADE_SIZE": AUTO if self.trade_size is None else self.trade_size,
            "TRADE_DELTA": self.delta_ticks * CENT,
            "WAIT_TIME": f"{self.wait_seconds:g} s",
            "EXPIRATION_TS": f"{self.expiration_seconds / 60:g} min",
            "TRADE_TICKER_SIZE": self.ticker_slots,
            "INCENTIVE_SIZE": self.incentive_size,
            "ONLY": ", ".join(self.only) or "all",
            "AVOID": ", ".join(self.avoid) or "none",
            "MAX_CAPITAL": f"${self.max_capital}",
            "MAX_EVENT_LOSS": f"${self.max_event_loss}",
            "MIN_HOURS_TO_CLOSE": f"{self.hours_to_close:g} h",
            "MIN_REWARD": f"${self.min_reward}",
            "FILL_COST": f"${self.fill_cost:g}",
            "EXIT": self.exit.value,
            "DAILY_LOSS_LIMIT": f"${self.daily_loss_limit}",
            "FILL_PAUSE": f"{self.fill_pause:g} s",
            "FILL_LIMIT": "one largest order" if self.fill_limit is None else self.fill_limit,
            "SCAN_TIME": f"{self.scan_seconds:g} s",
            "LOG_SIZE": f"{self.log_bytes / MEGABYTE:g} MB",
            "LOG_FILES": self.log_files,
        }


def check(constants: Mapping[str, object]) -> Settings:
    """Settings from the constants `env` and `NAMES`. Raises one `ConfigError` that lists every problem."""
    problems = [f"{name} is no setting of this version; remove it" for name in constants if _stray(name)]

    def read(name: str, convert: Callable[[object], T], fallback: T) -> T:
        try:
            return convert(constants[name])
        except KeyError:
            problems.append(f"{name} is missing")
        except ValueError as error:
            problems.append(f"{name} = {constants[name]!r}: {error}")
        return fallback

    settings = Settings(
        environment=read("env", _environment, Environment.SIM),
        trade_size=read("TRADE_SIZE", _size, None),
        delta_ticks=read("TRADE_DELTA", _ticks, 0),
        wait_seconds=read("WAIT_TIME", lambda value: _seconds(value, 1.0, 1), 1.0),
        expiration_seconds=read("EXPIRATION_TS", lambda value: _seconds(value, 0.1, 60), 60.0),
        ticker_slots=read("TRADE_TICKER_SIZE", _slots, 1),
        incentive_size=read("INCENTIVE_SIZE", _limit, None),
        only=read("ONLY", _patterns, ()),
        avoid=read("AVOID", _patterns, ()),
        max_capital=read("MAX_CAPITAL", _dollars, CENT),
        max_event_loss=read("MAX_EVENT_LOSS", _dollars, CENT),
        hours_to_close=read("MIN_HOURS_TO_CLOSE", _hours, 0.0),
        min_reward=read("MIN_REWARD", _no_less_than_nothing, Decimal(0)),
        fill_cost=read("FILL_COST", _cost, 0.0),
        exit=read("EXIT", _exit, Exit.CROSS),
        daily_loss_limit=read("DAILY_LOSS_LIMIT", _dollars, CENT),
        fill_pause=read("FILL_PAUSE", lambda value: _seconds(value, 0.0, 1), 0.0),
        fill_limit=read("FILL_LIMIT", _group_limit, None),
        scan_seconds=read("SCAN_TIME", lambda value: _seconds(value, 1.0, 1), 1.0),
        log_bytes=read("LOG_SIZE", _megabytes, MEGABYTE),
        log_files=read("LOG_FILES", _files, 1),
    )
    if problems:
        raise ConfigError("; ".join(problems) + ". The settings are at the top of market_bot.py.")
    return settings


def _stray(name: str) -> bool:
    return name != "env" and name not in NAMES


def _environment(value: object) -> Environment:
    if isinstance(value, Environment):
        return value
    raise ValueError("must be Environment.SIM, Environment.DEMO or Environment.PROD")


def _number(value: object) -> Decimal:
    """A number as it was typed: 0.01 means exactly a hundredth, not the nearest binary fraction."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError("must be a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("must be a number") from None
    if not number.is_finite():
        raise ValueError("must be a finite number")
    return number


def _size(value: object) -> Decimal | None:
    if value == AUTO:
        return None
    try:
        size = _number(value)
    except ValueError:
        raise ValueError("must be a number of contracts, or AUTO") from None
    if size <= 0 or size % CENT:
        raise ValueError("must be a number of contracts above 0, in steps of 0.01, or AUTO")
    return size


def _ticks(value: object) -> int:
    delta = _number(value)
    if delta < 0 or delta % CENT or delta >= 1:
        raise ValueError("must be 0.00, 0.01, 0.02, …: 0.01 is one tick behind the best bid")
    return int(delta / CENT)


def _seconds(value: object, least: float, unit: int) -> float:
    number = float(_number(value))
    if not least <= number <= LONGEST_SECONDS / unit:
        raise ValueError(f"must be at least {least:g} and at most {LONGEST_SECONDS / unit:g}")
    return number * unit


def _megabytes(value: object) -> int:
    number = _number(value)
    if not CENT <= number <= LARGEST_LOG:
        raise ValueError(f"must be a number of megabytes from {CENT} to {LARGEST_LOG:,}")
    return int(number * MEGABYTE)


def _files(value: object) -> int:
    number = _number(value)
    if not 1 <= number <= MOST_LOGS or number % 1:
        raise ValueError(f"must be a whole number of files, from 1 to {MOST_LOGS}")
    return int(number)


def _slots(value: object) -> int:
    number = _number(value)
    if number < 1 or number % 1:
        raise ValueError("must be a whole number of markets, 1 or more")
    return int(number)


def _limit(value: object) -> Decimal | None:
    if value is None:
        return None
    number = _number(value)
    if number < 0:
        raise ValueError("must be a number of contracts, 0 or more, or None for no limit")
    return number


def _group_limit(value: object) -> Decimal | None:
    if value is None:
        return None
    number = _number(value)
    if not 1 <= number <= LARGEST_GROUP or number % CENT:
        raise ValueError("must be a number of contracts from 1 to 1,000,000, or None for one largest order")
    return number


def _exit(value: object) -> Exit:
    try:
        return Exit(value)
    except ValueError:
        raise ValueError('must be "CROSS" or "REST"') from None


def _patterns(value: object) -> tuple[str, ...]:
    if isinstance(value, (tuple, list)) and all(isinstance(pattern, str) and pattern for pattern in value):
        return tuple(value)
    raise ValueError(
        'must be patterns of tickers in brackets, such as ("KXHIGH*", "KXLOWT*"); with one: ("KXHIGH*",)'
    )


def _dollars(value: object) -> Decimal:
    number = _number(value)
    if number <= 0:
        raise ValueError("must be a number of dollars above 0")
    return number


def _no_less_than_nothing(value: object) -> Decimal:
    number = _number(value)
    if number < 0:
        raise ValueError("must be a number of dollars, 0 or more")
    return number


def _cost(value: object) -> float:
    number = _no_less_than_nothing(value)
    if number > 1:
        raise ValueError("must be at most a dollar a contract")
    return float(number)


def _hours(value: object) -> float:
    number = float(_number(value))
    if not 0 <= number <= LONGEST_HOURS:
        raise ValueError(f"must be a number of hours, 0 to {LONGEST_HOURS:g}")
    return number


def strategy_of(settings: Settings) -> Strategy:
    """How markets are priced, screened and chosen by the settings."""
    return Strategy(
        Trade(settings.trade_size, settings.delta_ticks, settings.incentive_size),
        Screen(settings.only, settings.avoid, settings.hours_to_close),
        Wish(settings.ticker_slots, settings.min_reward, settings.fill_cost),
    )
