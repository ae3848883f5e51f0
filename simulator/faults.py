"""Scripts of faults: which requests fail, and when, on a simulated exchange.

Promise:
- A script that cannot be used is refused with the rule's number and the reason.
- The same script on the same seed strikes the same requests.

A script is a JSON list of rules. Each has a `do`, the name of its fault (see `simulator.mishaps`), and may have:

- `on`: the requests that it strikes, such as `"POST /portfolio/events/orders"`. `*` matches anything and is the
  default. With that default, a fault of the exchange itself (`EVENTS`) strikes once, at its time `from`.
- `skip`: let this many matching requests through first. `times`: strike this many, then stop. `chance`: strike
  each with this probability. A rule that strikes at its time refuses these three: it has no requests to count.
- `from`, `until`: strike only between these simulated seconds after the opening.
- The fault's own parameters: `seconds`, `field`, `ticker`, `shards`, `result`, `value`, `grid`, `part`, `amount`,
  `fee`, `source`, `destination`, `acted`, `status`, `code`, `side`, `name`.

`order_refused` without `on` strikes creates and amends.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from simulator.exchange import SHARDS

ANY = "*"

ORDER_WRITES = ("POST /portfolio/events/orders", "POST /portfolio/events/orders/*/amend")
"""The requests that `order_refused` may strike."""

LARGEST = 1e9
"""The largest number that a script may have. NaN is refused."""

_COMMON: Mapping[str, type | tuple[type, ...]] = {
    "do": str, "on": str, "skip": int, "times": int, "chance": (int, float), "from": (int, float),
    "until": (int, float),
}  # fmt: skip

PARAMETERS: Mapping[str, type | tuple[type, ...]] = {
    "seconds": (int, float), "field": str, "ticker": str, "shards": list, "result": str, "value": int,
    "grid": str,
    "part": (int, float), "amount": (int, float), "fee": (int, float), "source": int, "destination": int,
    "acted": bool, "status": int, "code": str, "side": str, "name": str,
}  # fmt: skip

WIRE = ("refused", "reset_before", "reset_after", "timeout_before", "timeout_after", "latency")
INSTEAD = ("429", "500", "503", "503_html", "order_refused")
MISSING = ("403", "404", "404_html", "501", "501_text", "html", "nonsense")
GARBLED = ("truncated", "no_order", "unknown_status", "missing_field", "repeated_cursor")
READS = ("stale", "clock_jump")
EVENTS = (
    "trading_paused", "exchange_paused", "halted", "closes", "settles", "new_grid", "partial_fill", "hole",
    "cash_moved",
    "cash_deposited", "cash_withdrawn", "cash_set_aside", "cash_given", "group_triggered", "key_revoked",
    "stranger",
)  # fmt: skip
KINDS = (*WIRE, *INSTEAD, *MISSING, *GARBLED, *READS, *EVENTS)

_NEEDED = {
    "latency": ("seconds",), "missing_field": ("field",), "stale": ("seconds",), "clock_jump": ("seconds",),
    "stranger": ("name",),
}  # fmt: skip
_NEEDED_AT_A_TIME = dict.fromkeys(
    ("halted", "closes", "settles", "new_grid", "partial_fill", "hole", "stranger"), ("ticker",)
)

GRIDS = ("linear", "tapered", "deci")


class UnusableFaults(Exception):
    """A script of faults cannot be used. The text names the rule and the reason."""


@dataclass
class Rule:
    """One rule of a script. It counts the requests it has seen and struck."""

    do: str
    on: str = ANY
    skip: int = 0
    times: int | None = None
    chance: float = 1.0
    starts: float = 0.0
    until: float = math.inf
    given: Mapping[str, Any] = field(default_factory=dict)
    seen: int = 0
    struck: int = 0

    @property
    def at_a_time(self) -> bool:
        """Whether it strikes at its time `from` instead of on requests."""
        return self.do in EVENTS and self.on == ANY

    def strikes(self, method: str, path: str, elapsed: float, dice: random.Random, is_its: bool = True) -> bool:
        """Whether it strikes a request that arrives `elapsed` s after the opening.

        `is_its`: whether the request's order is one that the rule may strike."""
        spared = dice.random() >= self.chance
        if (
            not is_its
            or self.at_a_time
            or not self.starts <= elapsed < self.until
            or not fnmatchcase(f"{method} {path}", self.on)
        ):
            return False
        self.seen += 1
        if spared or self.seen <= self.skip or (self.times is not None and self.struck >= self.times):
            return False
        self.struck += 1
        return True


def read_faults(path: Path) -> list[Rule]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFaults(f"{path} cannot be read: {error}") from None
    try:
        rules = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableFaults(f"{path} is not JSON: {error}") from None
    try:
        return parse_faults(rules)
    except UnusableFaults as error:
        raise UnusableFaults(f"{path}, {error}") from None


def parse_faults(rules: Any) -> list[Rule]:
    """The rules of a script, checked. Raises `UnusableFaults`."""
    if not isinstance(rules, list):
        raise UnusableFaults("a script must be a list of rules")
    return [_rule(number, given) for number, given in enumerate(rules, start=1)]


def _rule(number: int, given: Any) -> Rule:
    def refuse(why: str) -> UnusableFaults:
        return UnusableFaults(f"rule {number}: {why}")

    if not isinstance(given, Mapping):
        raise refuse("it must be an object")
    for name, value in given.items():
        kinds = _COMMON.get(name) or PARAMETERS.get(name)
        if kinds is None:
            raise refuse(f"unknown field {name}")
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise refuse(f"{name} may not be {value!r}")
        if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
            raise refuse(f"{name} may not be {value!r}")
    do, on = given.get("do"), given.get("on", ANY)
    if do not in KINDS:
        raise refuse(f"unknown fault {do!r}; choose from {', '.join(KINDS)}")
    if on != ANY and " /" not in on:
        raise refuse('on must be like "POST /portfolio/events/orders"')
    needed = (*(_NEEDED_AT_A_TIME.get(do, ()) if on == ANY else ()), *_NEEDED.get(do, ()))
    missing = _missing(needed, given)
    if missing:
        raise refuse(f"{do} needs {', '.join(missing)}")
    rule = Rule(
        do, on, given.get("skip", 0), given.get("times"), given.get("chance", 1.0), given.get("from", 0.0),
        given.get("until", math.inf), {name: given[name] for name in PARAMETERS if name in given},
    )  # fmt: skip
    wrong = _wrong(rule)
    if wrong is not None:
        raise refuse(wrong)
    return rule


def _wrong(rule: Rule) -> str | None:
    """The first invalid value of a rule whose fields have the right types, or None."""
    given = rule.given
    shards = given.get("shards", [0])
    source, destination = given.get("source", 0), given.get("destination", 1)
    checks = (
        (0 <= rule.chance <= 1, "chance must be 0 to 1"),
        (0 <= rule.starts < rule.until, "from must not be negative and must come before until"),
        (rule.skip >= 0 and (rule.times or 0) >= 0, "skip and times must not be negative"),
        (
            not rule.at_a_time or (rule.skip, rule.times, rule.chance) == (0, None, 1),
            f"skip, times and chance count requests: {rule.do} also needs on",
        ),
        (given.get("seconds", 0) >= 0 or rule.do == "clock_jump", "seconds must not be negative"),
        (given.get("grid", "linear") in GRIDS, f"grid must be one of {', '.join(GRIDS)}"),
        (given.get("result", "yes") in ("yes", "no"), "result must be yes or no"),
        (0 <= given.get("value", 0) <= 100, "value must be 0 to 100 cents"),
        (not {"result", "value"} <= given.keys(), "result and value exclude each other"),
        (400 <= given.get("status", 400) < 500, "status must be 400 to 499"),
        (given.get("side", "bid") in ("bid", "ask"), "side must be bid or ask"),
        (
            re.fullmatch(r"[\w:+=/-]{1,32}", given.get("name", "a"), re.ASCII) is not None,
            "name must be 1 to 32 characters of a-z, A-Z, 0-9 and _:+=/-",
        ),
        (0 < given.get("part", 1) <= 1, "part must be more than 0 and at most 1"),
        (given.get("amount", 1) > 0, "amount must be more than 0"),
        (0 <= given.get("fee", 0) < given.get("amount", 100), "fee must be at least 0 and less than amount"),
        (
            shards and all(type(n) is int and n in SHARDS for n in shards),
            f"shards must be one or more of {list(SHARDS)}",
        ),
        (
            source in SHARDS and destination in SHARDS and source != destination,
            f"source and destination must be two of {list(SHARDS)}",
        ),
    )
    return next((why for fine, why in checks if not fine), None)


def _missing(needed: Sequence[str], given: Mapping[str, Any]) -> list[str]:
    return [name for name in needed if name not in given]
