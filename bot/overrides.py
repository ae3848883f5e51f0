"""Check `OVERRIDES`: the settings of single markets.

Promise:
- Every function is pure.
- Each wrong, unknown, unreachable or contradictory entry is one problem that names its place and what to write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from exchange.ticker_patterns import covers
from runtime.spelling import near

NAMES = ("TRADE_SIZE", "TRADE_DELTA", "INCENTIVE_SIZE", "MIN_HOURS_TO_CLOSE", "MIN_REWARD", "FILL_COST")
"""The settings that a market may have for itself."""

_OR_AUTO = ", or AUTO"
_ENTRY = '{"TRADE_SIZE": 20, "TRADE_DELTA": 0.02}'


class Override(NamedTuple):
    """An entry of `OVERRIDES`.

    `values`: checked, by the names of the fields of `Settings`."""

    pattern: str
    values: Mapping[str, Any]


def by_pattern(value: object) -> Mapping[object, object]:
    """`OVERRIDES` as it is written. Raises a `ValueError` if it is no dictionary."""
    if not isinstance(value, dict):
        raise ValueError(
            f'must be settings by ticker pattern, such as {{"KXHIGH*": {_ENTRY}}}, or {{}} for none of them'
        )
    return value


class Overrides(NamedTuple):
    """What is read of `OVERRIDES`: its entries, and the problems in them."""

    entries: tuple[Override, ...]
    problems: tuple[str, ...]


def read(
    written: Mapping[object, object],
    readers: Mapping[str, Callable[[object], object]],
    trade_size: Decimal | None,
    avoid: tuple[str, ...],
) -> Overrides:
    """The checked entries of `OVERRIDES`.

    `readers`: for each of `NAMES` what makes its value exact, or raises a `ValueError`. `trade_size`: contracts of
    the other markets, None for AUTO. `avoid`: ticker patterns of markets that are never quoted."""
    entries, problems = [], list(_in_vain(written, avoid))
    for pattern, entry in written.items():
        if not isinstance(pattern, str) or not pattern:
            problems.append(f'OVERRIDES: {pattern!r} must be a ticker pattern with quotes, such as "KXHIGH*"')
            continue
        place = f'OVERRIDES["{pattern}"]'
        if not isinstance(entry, dict) or not entry:
            problems.append(f"{place} = {entry!r}: must be settings of these markets, such as {_ENTRY}")
            continue
        values = {}
        for name, value in entry.items():
            if name not in NAMES:
                problems.append(f"{place}: {_unknown(name)}")
                continue
            try:
                values[name.lower()] = _checked(name, readers[name](value), trade_size)
            except ValueError as error:
                text = str(error).removesuffix(_OR_AUTO)
                problems.append(f"{place}: {name} = {value!r}: {text}")
        entries.append(Override(pattern, values))
    return Overrides(tuple(entries), tuple(problems))


def _checked(name: str, value: object, trade_size: Decimal | None) -> object:
    """A value that makes sense for single markets. Raises a `ValueError` otherwise."""
    if name == "TRADE_SIZE" and value is None:
        raise ValueError(
            "must be a number of contracts: AUTO sizes all markets or none, so it stands outside only"
        )
    if name == "TRADE_SIZE" and trade_size is None:
        raise ValueError(
            "contradicts TRADE_SIZE = AUTO, which sizes all markets: write a number there, or leave it out here"
        )
    return value


def _unknown(name: object) -> str:
    possible = f"possible here: {', '.join(NAMES)}"
    if not isinstance(name, str):
        return f"{name!r} must be the name of a setting with quotes; {possible}"
    meant = near(name, NAMES)
    if meant:
        return f"Unknown setting {name}{meant}: fix the spelling or remove it"
    return f"{name} is no setting of single markets; {possible}"


def _in_vain(written: Mapping[object, object], avoid: tuple[str, ...]) -> Iterator[str]:
    """The patterns that no market would take, one text each."""
    patterns = [pattern for pattern in written if isinstance(pattern, str) and pattern]
    for number, pattern in enumerate(patterns):
        place, earlier = f'OVERRIDES["{pattern}"]', patterns[:number]
        same = next((one for one in earlier if one.lower() == pattern.lower()), None)
        wider = next((one for one in earlier if covers(one, pattern)), None)
        if same is not None:
            yield f'{place}: is the same pattern as "{same}", because case does not matter: remove one'
        elif wider is not None:
            yield f'{place}: no market takes it, because "{wider}" before it matches them all: put it first'
        excluding = next((one for one in avoid if covers(one, pattern)), None)
        if excluding is not None:
            yield f'{place}: has no effect, because "{excluding}" of AVOID excludes its markets: remove one'
