"""Check the settings at the top of `market_bot.py`, once at start.

Promise:
- Each impossible or unknown setting is named, with what would be possible, before anything is sent.
- A checked value is exact (`Decimal`, whole ticks) and needs no second check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from bot import overrides
from bot.overrides import Override
from clients import Environment
from exchange.errors import ConfigError
from exchange.ticker_patterns import PerMarket
from execution.exits import Exit
from incentive import Strategy
from rewards.rule_dates import KNOWN_RULES, Beyond
from runtime.spelling import folded, near
from selection.ranking import SelectionRules
from selection.screening import Screen
from trade import Trade

CENT = Decimal("0.01")
LONGEST_SECONDS = 86_400.0
LONGEST_HOURS = 24.0 * 365
MEGABYTE = 1_000_000
LARGEST_LOG, MOST_LOGS = 1_000, 100
LARGEST_GROUP = 1_000_000
"""Contracts: the largest limit of an order group that the exchange takes."""

_BY_ORDER = "the largest order's size, within MAX_EVENT_LOSS"

AUTO = "AUTO"
"""`TRADE_SIZE = AUTO`: the sizes that earn most per dollar."""

T = TypeVar("T")


# -- what a value may be ---------------------------------------------------------------------------------------


def _environment(value: object) -> Environment:
    if isinstance(value, Environment):
        return value
    raise ValueError("must be Environment.SIM, Environment.DEMO or Environment.PROD, without quotes")


def _number(value: object) -> Decimal:
    """A number as typed: 0.01 is exactly a hundredth, not the nearest binary float."""
    if isinstance(value, str):
        raise ValueError("must be a number, without quotes, $ or %, such as 200 or 0.01")
    if isinstance(value, tuple):
        raise ValueError("must be one number: write 1000, not 1,000")
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


def _rule(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value in KNOWN_RULES):
        return value
    names = " or ".join(f'"{name}"' for name in KNOWN_RULES)
    raise ValueError(f"must be None, or the name of a rule that this bot knows, with quotes: {names}")


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
        raise ValueError(f"must be a number of contracts from 1 to 1,000,000, or None for {_BY_ORDER}")
    return number


def _exit(value: object) -> Exit:
    try:
        return Exit(value)
    except ValueError:
        raise ValueError('must be "CROSS" or "REST", with quotes') from None


def _patterns(value: object) -> tuple[str, ...]:
    if isinstance(value, (tuple, list)) and all(isinstance(pattern, str) and pattern for pattern in value):
        return tuple(value)
    raise ValueError(
        'must be ticker patterns in parentheses, such as ("KXHIGH*", "KXLOWT*"); with one: ("KXHIGH*",)'
    )


def _dollars(value: object) -> Decimal:
    number = _number(value)
    if number <= 0:
        raise ValueError("must be a number of dollars above 0")
    return number


def _non_negative_dollars(value: object) -> Decimal:
    number = _number(value)
    if number < 0:
        raise ValueError("must be a number of dollars, 0 or more")
    return number


def _cost(value: object) -> float:
    number = _non_negative_dollars(value)
    if number > 1:
        raise ValueError("must be at most 1 dollar per contract")
    return float(number)


def _part_of_a_dollar(value: object) -> Decimal:
    number = _number(value)
    if not 0 < number <= 1:
        raise ValueError("must be a number of dollars a contract, above 0 and at most 1")
    return number


def _hours(value: object) -> float:
    number = float(_number(value))
    if not 0 <= number <= LONGEST_HOURS:
        raise ValueError(f"must be a number of hours, 0 to {LONGEST_HOURS:g}")
    return number


def _at_least_a_second(value: object) -> float:
    return _seconds(value, 1.0, 1)


def _seconds_or_none(value: object) -> float | None:
    return None if value is None else _seconds(value, 1.0, 1)


def _minutes(value: object) -> float:
    """Minutes as seconds."""
    return _seconds(value, 0.1, 60)


def _no_or_some_seconds(value: object) -> float:
    return _seconds(value, 0.0, 1)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be True or False, without quotes")
    return value


def _in_seconds(seconds: float) -> str:
    return f"{seconds:g} s"


def _in_dollars(dollars: Decimal) -> str:
    return f"${dollars}"


def _entries(entries: Iterable[Override]) -> str:
    return "; ".join(f"{one.pattern}: {in_words(one.values)}" for one in entries) or "none"


# -- the table -------------------------------------------------------------------------------------------------


def _as(reads: Callable[[object], T], shows: Callable[[T], object] = lambda value: value) -> dict[str, object]:
    """The metadata of a setting.

    `reads` makes its value exact, or raises a `ValueError` that says what would be possible. `shows` formats it
    for the log."""
    return {"reads": reads, "shows": shows}


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked settings, in the order and under the names of `market_bot.py`.

    - Sizes are contracts. `trade_size` None: AUTO. `incentive_size` None: no limit. `fill_limit` None: the largest
      order's size, within `max_event_loss`. `trade_delta` is ticks.
    - Times are seconds, except `min_hours_to_close`. `wait_time`: from the start of a cycle to the start of the
      next. `expiration_ts`: how much longer an order rests than the cycle that should renew it. `scan_time`:
      between scans of the board. `watch_time`: between looks at the quotes; None: no looks between cycles.
    - Limits, rewards and costs are dollars.
    - `overrides`: settings of single markets. A market takes the first entry whose pattern it matches.
    - `trust_rule`: the name of the reward rule that is trusted beyond the dates for which it is known, if any.
    - `log_size`: bytes after which the log is rotated. `log_files`: rotated logs to keep. `log_detail`: whether
      the log also reports what stays the same. `log_json`: whether it is also written as JSON objects.
    - `origins`: where a value comes from that is not the constant's, by name."""

    env: Environment = field(metadata=_as(_environment, lambda env: env.value))
    trade_size: Decimal | None = field(metadata=_as(_size, lambda size: AUTO if size is None else size))
    trade_delta: int = field(metadata=_as(_ticks, lambda ticks: ticks * CENT))
    wait_time: float = field(metadata=_as(_at_least_a_second, _in_seconds))
    expiration_ts: float = field(metadata=_as(_minutes, lambda seconds: f"{seconds / 60:g} min"))
    trade_ticker_size: int = field(metadata=_as(_slots))
    incentive_size: Decimal | None = field(metadata=_as(_limit))
    only: tuple[str, ...] = field(metadata=_as(_patterns, lambda patterns: ", ".join(patterns) or "all"))
    avoid: tuple[str, ...] = field(metadata=_as(_patterns, lambda patterns: ", ".join(patterns) or "none"))
    overrides: tuple[Override, ...] = field(metadata={"reads": overrides.by_pattern, "shows": _entries})
    max_capital: Decimal = field(metadata=_as(_dollars, _in_dollars))
    max_event_loss: Decimal = field(metadata=_as(_dollars, _in_dollars))
    min_hours_to_close: float = field(metadata=_as(_hours, lambda hours: f"{hours:g} h"))
    min_reward: Decimal = field(metadata=_as(_non_negative_dollars, _in_dollars))
    trust_rule: str | None = field(metadata=_as(_rule, lambda name: name or "none"))
    fill_cost: float = field(metadata=_as(_cost, lambda dollars: f"${dollars:g}"))
    exit: Exit = field(metadata=_as(_exit, lambda exit: exit.value))
    exit_limit: Decimal = field(metadata=_as(_part_of_a_dollar, lambda dollars: f"${dollars} a contract"))
    daily_loss_limit: Decimal = field(metadata=_as(_dollars, _in_dollars))
    fill_pause: float = field(metadata=_as(_no_or_some_seconds, _in_seconds))
    fill_limit: Decimal | None = field(
        metadata=_as(_group_limit, lambda limit: _BY_ORDER if limit is None else limit)
    )
    scan_time: float = field(metadata=_as(_at_least_a_second, _in_seconds))
    watch_time: float | None = field(
        metadata=_as(_seconds_or_none, lambda time: "off" if time is None else _in_seconds(time))
    )
    log_size: int = field(metadata=_as(_megabytes, lambda size: f"{size / MEGABYTE:g} MB"))
    log_files: int = field(metadata=_as(_files))
    log_detail: bool = field(metadata=_as(_flag))
    log_json: bool = field(metadata=_as(_flag))
    origins: Mapping[str, str] = field(default_factory=dict)

    def expiry(self, began: datetime, now: datetime) -> datetime:
        """When an order that is placed or renewed `now` expires, unless it is renewed.

        `expiration_ts` after the start of the next cycle, which may have to wait for the end of this one (`began`:
        its start)."""
        next_cycle = max(began + timedelta(seconds=self.wait_time), now)
        return next_cycle + timedelta(seconds=self.expiration_ts)

    @property
    def beyond_rule(self) -> Beyond:
        """What the bot does beyond the dates for which the reward rule is known."""
        return Beyond.of(self.env is Environment.PROD, self.trust_rule)

    @property
    def must_pay(self) -> bool:
        """Whether a slot needs an expected payment: SIM and DEMO may quote without."""
        return self.env is Environment.PROD

    @property
    def per_market(self) -> PerMarket[Settings]:
        """The settings of each market, by `overrides`."""
        own = (replace(self, **one.values, overrides=()) for one in self.overrides)
        return PerMarket(self, tuple(zip((one.pattern for one in self.overrides), own, strict=True)))

    @property
    def largest_size(self) -> Decimal | None:
        """Contracts of the largest order in any market, None for AUTO."""
        sizes = [one.trade_size for one in self.per_market.values()]
        fixed = [size for size in sizes if size is not None]
        return max(fixed) if len(fixed) == len(sizes) else None

    def in_words(self) -> dict[str, object]:
        """The settings by name, as the log shows them, each with its origin if a variable.

        The environment is only shown if a variable replaces it: it stands in a line of its own."""
        shown = {name: _shown(name, getattr(self, one.name)) for name, one in _TABLE.items()}
        return {
            name: f"{value} ({self.origins[name]})" if name in self.origins else value
            for name, value in shown.items()
            if name != "env" or name in self.origins
        }


_TABLE = {one.name if one.name == "env" else one.name.upper(): one for one in fields(Settings) if one.metadata}

NAMES = tuple(_TABLE)
"""The names of all settings, as written in `market_bot.py`."""


class Replaced(NamedTuple):
    """The settings that variables replace, by name.

    `values`: as the constants would be. `origins`: each one's variable and where it is set. `problems`: what is
    wrong with variables, a clause each."""

    values: Mapping[str, object] = MappingProxyType({})
    origins: Mapping[str, str] = MappingProxyType({})
    problems: tuple[str, ...] = ()


NOTHING_REPLACED = Replaced()


def check_settings(constants: Mapping[str, object], replaced: Replaced = NOTHING_REPLACED) -> Settings:
    """Settings from the constants `NAMES` and the variables that replace some of them.

    Raises one `ConfigError` that lists every problem."""
    of_file, of_variables = [_unknown(name) for name in constants if name not in _TABLE], [*replaced.problems]

    def note(name: str, problem: str) -> None:
        (of_variables if name in replaced.origins else of_file).append(problem)

    given = {**constants, **replaced.values}
    values: dict[str, Any] = {}
    for name, one in _TABLE.items():
        try:
            values[one.name] = one.metadata["reads"](given[name])
        except KeyError:
            note(name, f"{name} is missing")
        except ValueError as error:
            note(name, f"{replaced.origins.get(name, name)} = {given[name]!r}: {error}")
    if "overrides" in values:
        readers = {name: _TABLE[name].metadata["reads"] for name in overrides.NAMES}
        size, avoid = values.get("trade_size", Decimal(1)), values.get("avoid", ())
        values["overrides"], wrong = overrides.read(values["overrides"], readers, size, avoid)
        for problem in wrong:
            note("OVERRIDES", problem)
    if of_file:
        of_file[-1] += ". The settings are at the top of market_bot.py"
    if of_variables:
        of_variables[-1] += ". How variables replace settings: docs/settings.md"
    if of_file or of_variables:
        raise ConfigError("; ".join((*of_variables, *of_file)) + ".")
    return Settings(**values, origins=replaced.origins)


def environment_of(constant: object, replaced: Replaced) -> Environment:
    """The environment, by the constant `env` or by the variable that replaces it.

    The other settings may be wrong. Raises a `ConfigError`."""
    value = replaced.values.get("env", constant)
    try:
        return _environment(value)
    except ValueError as error:
        what = replaced.origins.get("env", "env in market_bot.py")
        raise ConfigError(f"{what} = {value!r}: {error}.") from None


def in_words(values: Mapping[str, Any]) -> str:
    """Values by field name as the log shows them: "TRADE_SIZE 20, FILL_COST $0.01"."""
    return ", ".join(f"{name.upper()} {_shown(name.upper(), value)}" for name, value in values.items())


def _shown(name: str, value: Any) -> object:
    return _TABLE[name].metadata["shows"](value)


def lookalikes(names: Iterable[str]) -> set[str]:
    """Names like a setting's except for case and underscores, such as `max_capital`.

    The bot does not read them."""
    known = {folded(name) for name in NAMES}
    return {name for name in names if name not in _TABLE and folded(name) in known}


def _unknown(name: str) -> str:
    return f"Unknown setting {name}{near(name, NAMES)}: fix the spelling or remove it"


def strategy_of(settings: Settings) -> Strategy:
    """How the settings price, screen and choose markets."""
    per_market = settings.per_market
    trade = per_market.map(lambda own: Trade(own.trade_size, own.trade_delta, own.incentive_size))
    hours = per_market.map(lambda own: own.min_hours_to_close)
    rules = per_market.map(
        lambda own: SelectionRules(own.trade_ticker_size, own.min_reward, own.fill_cost, own.must_pay)
    )
    return Strategy(
        replace(trade.general, overrides=trade.exceptions),
        Screen(settings.only, settings.avoid, hours, settings.beyond_rule is Beyond.STOP),
        replace(rules.general, overrides=rules.exceptions),
    )
