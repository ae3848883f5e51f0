"""Read JSON from the exchange, field by field.

Promise:
- A value is exact and complete, or an `Unreadable` names the request and the wrong field.
- Unused fields are ignored, because the exchange adds some every month.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar

from exchange.errors import Unreadable

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_UUID = re.compile(
    r"(?<![0-9a-f])([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE
)
_YEARS = range(1970, 9999)
_LARGEST_INTEGER = 10**18


@dataclass(frozen=True, slots=True)
class PartialList(Generic[T]):
    """The readable items of a list, and the errors of the others.

    An unreadable item of a public list is a market left out. In an account's list it is an order or a position
    that the bot does not know of."""

    items: tuple[T, ...]
    unreadable: tuple[Unreadable, ...] = ()

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def all_or_raise(self) -> tuple[T, ...]:
        """Return all items. Raises the first `Unreadable` if an item is missing."""
        for error in self.unreadable:
            raise error
        return self.items


class JsonObject:
    """One JSON object of an answer.

    `source` names the request in errors, `ticker` the market of a list item."""

    def __init__(self, source: str, value: object, ticker: str = "") -> None:
        self.source = source
        self._ticker = ticker
        if not isinstance(value, Mapping):
            raise self._unreadable(f"expected a JSON object, got {_shown(value)}")
        self.value = value

    def _unreadable(self, problem: str) -> Unreadable:
        return Unreadable(self.source, problem, self._ticker)

    def _get(self, name: str, kind: type[T]) -> T:
        value = self.value.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.wrong(name, f"should be {kind.__name__}")
        return value

    def wrong(self, name: str, expected: str) -> Unreadable:
        """Return the error for a field that breaks the API's promise."""
        return self._unreadable(f"field {name} {expected}, is {_shown(self.value.get(name))}")

    def has(self, name: str) -> bool:
        return self.value.get(name) is not None

    def text(self, name: str) -> str:
        text = self._get(name, str)
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:  # JSON can carry half a surrogate pair, which cannot be written
                raise self.wrong(name, "should be text") from None
        return text

    def identifier(self, name: str) -> str:
        """Return a name for a path. Empty, or only dots, it would change the path."""
        text = self.text(name)
        if not text.strip("."):
            raise self.wrong(name, "should be an identifier")
        return text

    def integer(self, name: str) -> int:
        number = self._get(name, int)
        if abs(number) > _LARGEST_INTEGER:
            raise self.wrong(name, "should be between -10^18 and 10^18")
        return number

    def boolean(self, name: str) -> bool:
        return self._get(name, bool)

    def nested(self, name: str) -> JsonObject:
        return JsonObject(self.source, self.value.get(name), self._ticker)

    def items(self, name: str) -> list[object]:
        """Return a list, empty if the exchange left it out or sent null."""
        return self._get(name, list) if self.has(name) else []

    def objects(self, name: str) -> list[JsonObject]:
        """Return a list of objects, all in the same market as this one."""
        return [JsonObject(self.source, item, self._ticker) for item in self.items(name)]

    def list_items(self, name: str, may_be_absent: bool = False) -> Iterator[tuple[str, str, object]]:
        """Yield each item of a list, to be read separately from the others.

        Each comes as its name for errors, its market and its value. A missing list
        raises `Unreadable`, unless `may_be_absent`."""
        if name not in self.value and not may_be_absent:
            raise self._unreadable(f"missing list {name}")
        for item in self.items(name):
            named = item if isinstance(item, Mapping) else {}
            ticker = named.get("ticker") or named.get("market_ticker")
            ticker = ticker if isinstance(ticker, str) else ""
            yield f"{self.source} {name} {ticker}".rstrip(), ticker, item

    def decimal(self, name: str) -> Decimal:
        return self.decimal_text(name, self.value.get(name))

    def decimal_text(self, name: str, text: object) -> Decimal:
        """Return the exact price, count or cash of field `name`: a number in a string."""
        if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
            raise self._unreadable(f"field {name} should be a decimal number in a string, is {_shown(text)}")
        return Decimal(text)

    def number(self, name: str) -> Decimal:
        """Return a JSON number, with or without a decimal point."""
        value = self.value.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise self.wrong(name, "should be a number")
        number = Decimal(value)
        if number.copy_abs() > _LARGEST_INTEGER:
            raise self.wrong(name, "should be between -10^18 and 10^18")
        return number

    def time(self, name: str) -> datetime:
        try:
            moment = datetime.fromisoformat(_plain_rfc3339(self.text(name)))
            moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
            if moment.year in _YEARS:
                return moment.astimezone(timezone.utc)
        except (ValueError, OverflowError):
            pass
        raise self.wrong(name, "should be a time")

    def unix(self, name: str, per_second: int = 1) -> datetime:
        """Return a Unix time that is sent with `per_second` units to the second."""
        try:
            return datetime.fromtimestamp(self.integer(name) / per_second, timezone.utc)
        except (ValueError, OverflowError, OSError):
            raise self.wrong(name, "should be a time") from None

    def enum(self, name: str, kind: type[E]) -> E:
        text = self.text(name)
        try:
            return kind(text)
        except ValueError:
            raise self._unreadable(f"field {name} has the unknown value {_shown(text)}") from None

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        return read(name) if self.has(name) else None


def read_list(
    pages: Iterable[JsonObject],
    name: str,
    parse: Callable[[JsonObject], T],
    identity: Callable[[T], Hashable],
    may_be_absent: bool = False,
) -> PartialList[T]:
    """Return the items of list `name` on all pages; unreadable ones become errors.

    A list that changes while it is read can show an item on two pages. Items with the same `identity` are one
    item: the last one listed, because it was read last."""
    items: dict[Hashable, T] = {}
    unreadable: list[Unreadable] = []
    for page in pages:
        for source, ticker, item in page.list_items(name, may_be_absent):
            try:
                found = parse(JsonObject(source, item, ticker))
            except Unreadable as error:
                unreadable.append(error)
            else:
                items[identity(found)] = found
    return PartialList(tuple(items.values()), tuple(unreadable))


def decode(payload: bytes) -> Any:
    """Decode JSON with exact fractions. Raises `ValueError` if it is invalid."""
    try:
        return _DECODER.decode(payload.decode())
    except (RecursionError, ArithmeticError):
        raise ValueError("nested too deeply, or a number is out of range") from None


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not a JSON number")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number)


def shorten_ids(text: str) -> str:
    """Return `text` with long ids cut short: one may be a user's, or a key's."""
    return _UUID.sub(r"\1...", text)


def _shown(value: object) -> str:
    """Return the beginning of a value, as the exchange sent it."""
    return shorten_ids(str(value) if isinstance(value, Decimal) else repr(value))[:100]


def _plain_rfc3339(text: str) -> str:
    """Return RFC 3339 as Python 3.10 can read it: no Z, six or no decimals."""
    text = text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text
    head, dot, tail = text.partition(".")
    if not dot:
        return text
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[:digits][:6]:0<6}{tail[digits:]}"


def error_words(body: Any) -> tuple[str, str, str]:
    """Return (code, message, details) of an error body; empty strings if it has none.

    It reads the four shapes that the exchange uses, and the state that it sends when it is down. Long ids are cut
    short: a code may contain a user's."""
    if not isinstance(body, Mapping):
        return "", "", ""
    if "trading_active" in body:
        state = f"exchange active: {body.get('exchange_active')}, trading active: {body['trading_active']}"
        return "", shorten_ids(state), ""
    inner = body.get("error") or body
    if isinstance(inner, str):
        return "", shorten_ids(inner), ""
    if not isinstance(inner, Mapping):
        return "", "", ""
    message = inner.get("message") or inner.get("msg") or ""
    words = inner.get("code") or "", message, inner.get("details") or ""
    code, message, details = (shorten_ids(str(word)) for word in words)
    return code, message, details
