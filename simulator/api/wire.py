"""Requests as they arrive, and answers as they leave.

Promise:
- A request that lacks the API's form is refused here, with the exchange's own form of error.
- The modules behind this one meet no malformed value.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs

from simulator.exchange import SHARDS, Refusal
from simulator.matching import CONTRACT, DOLLAR_PIPS

MOST_SHARDS = 1_000
"""The highest shard that a list may be filtered by. A shard that does not exist gives an empty list."""

LARGEST = 10**15
"""The largest number in a request."""


class QueryRefused(Exception):
    """An invalid query. The exchange has its own form of error for these."""


class OutOfBounds(QueryRefused):
    """A number of a query that is above its largest value, or below its least.

    `rule` is the one that it breaks: "lte" or "gte"."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"invalid query parameter {name}: {rule}")
        self._name, self._rule = camel_case(name), rule

    def told_by(self, operation: str) -> str:
        """The words of the call of that name."""
        return (
            f"Parameter validation failed for {operation}: Key: '{operation}Params.{self._name}' "
            f"Error:Field validation for '{self._name}' failed on the '{self._rule}' tag"
        )


class BodyRefused(Exception):
    """A body that does not decode. The exchange has its own form of error for these."""

    code = "bad_request"


class WrongContentType(BodyRefused):
    """A body whose Content-Type is not JSON."""

    code = "invalid_content_type"


class Numbered(Protocol):
    @property
    def number(self) -> int: ...


T = TypeVar("T", bound=Numbered)


@dataclass(frozen=True)
class Request:
    """A request as it arrives.

    `path` starts at the host's root. Header names are lower-case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def _query(self) -> dict[str, list[str]]:
        return parse_qs(self.query)

    def values(self, name: str) -> list[str]:
        return self._query.get(name, [])

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    def words(self, name: str, most: int | None = None) -> set[str]:
        """A comma-separated list."""
        found = set(",".join(self.values(name)).split(",")) - {""}
        if most is not None and len(found) > most:
            raise QueryRefused(f"invalid query parameter {name}: at most {most}")
        return found

    def one_of(self, name: str, allowed: Iterable[str]) -> str | None:
        value = self.value(name)
        if value is not None and value not in allowed:
            raise QueryRefused(f"invalid query parameter {name}: {value}")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.one_of(name, ("true", "false", "1", "0"))
        return None if value is None else value in ("true", "1")

    def whole(self, name: str, default: int, low: int = -LARGEST, high: int = LARGEST) -> int:
        text = self.value(name)
        if text is None:
            return default
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise QueryRefused(f"invalid query parameter {name}: must be an integer")
        if not low <= int(text) <= high:
            raise OutOfBounds(name, "lte" if int(text) > high else "gte")
        return int(text)

    def period(self, name: str = "") -> tuple[float, float]:
        """`min_ts` and `max_ts`, or those of a family such as `close`.

        The later bound includes its whole second."""
        low, high = (f"{bound}_{name}_ts" if name else f"{bound}_ts" for bound in ("min", "max"))
        return self.whole(low, -LARGEST), self.whole(high, LARGEST) + 0.999_999

    def shard(self) -> int | None:
        """The shard that a list is filtered by."""
        return (
            self.whole("exchange_index", 0, 0, MOST_SHARDS) if self.value("exchange_index") is not None else None
        )

    def check_subaccount(self) -> None:
        """Refuse any subaccount: only the primary account exists here."""
        if self.whole("subaccount", 0, 0, 63) != 0:
            raise QueryRefused("invalid query parameter subaccount: there is no such subaccount")

    def json(self, form: str = "") -> Body:
        """The body, a JSON object. It is empty if the request has none.

        `form` is the exchange's own name of the body that the call takes."""
        fields = self._json
        if not isinstance(fields, Mapping):
            raise BodyRefused(
                f"json: cannot unmarshal {_go_kind(fields)} into Go value of type {form or 'object'}"
            )
        return Body(fields, form)

    @cached_property
    def _json(self) -> Any:
        if not self.body:
            return {}
        if "application/json" not in self.headers.get("content-type", ""):
            raise WrongContentType("Content-Type must be application/json")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BodyRefused(f"invalid JSON: {error}") from None


@dataclass(frozen=True)
class Body:
    """The fields of a request's body.

    A null field counts as absent, unless it is required. `form` is the exchange's own name of such a body."""

    fields: Mapping[str, Any]
    form: str = ""

    def __contains__(self, name: str) -> bool:
        return self.fields.get(name) is not None

    def text(self, name: str, pattern: str, default: str | None = None) -> str:
        value = self.fields.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(name, "string")
        if not re.fullmatch(pattern, value, re.ASCII):
            raise Refusal(400, "invalid_parameters", "invalid parameters", f"{name} may not be {value[:80]}")
        return value

    def price(self) -> int:
        """The field `price` in pips, from a string with two to four decimals."""
        return _units(self.text("price", r"[0-9]{1,3}\.[0-9]{2,4}"), DOLLAR_PIPS)

    def size(self, name: str) -> int:
        """A field in 1/100 contract, from a string with up to two decimals."""
        return _units(self.text(name, r"[0-9]{1,12}(\.[0-9]{1,2})?"), CONTRACT)

    def flag(self, name: str) -> bool:
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "bool")
        return bool(value)

    def whole(self, name: str, default: int | None, low: int = -LARGEST, high: int = LARGEST) -> int | None:
        value = self.fields.get(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "int64")
        if not low <= value <= high:
            raise Refusal(400, "invalid_parameters", "invalid parameters", f"{name} is out of range")
        return value

    def shard(self, default: int = -1) -> int:
        """The shard that a write is for; -1 is the shard of its market."""
        shard = self.whole("exchange_index", default, -1, max(SHARDS))
        return default if shard is None else shard

    def check_subaccount(self, name: str = "subaccount") -> None:
        if self.whole(name, 0) != 0:
            raise Refusal(400, "invalid_parameters", "invalid parameters", "there is no such subaccount")

    def _wrong(self, name: str, kind: str) -> BodyRefused:
        """The refusal of a field that is missing, or not of its kind."""
        value = self.fields.get(name)
        if value is None:
            field = camel_case(name)
            key = f"Key: '{self.form}.{field}' Error:Field validation"
            return BodyRefused(f"{key} for '{field}' failed on the 'required' tag")
        there = f"Go struct field {self.form}.{name} of type {kind}"
        return BodyRefused(f"json: cannot unmarshal {_go_kind(value)} into {there}")

    def objects(self, name: str, most: int, form: str) -> list[Body]:
        """A list of 1 to `most` objects, none of them null.

        `form` is the exchange's own name of one."""
        values = self.fields.get(name)
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise self._wrong(name, f"[]{form}")
        if not 1 <= len(values) <= most:
            raise Refusal(400, "invalid_parameters", "invalid parameters", f"{name}: 1 to {most} are taken")
        return [Body(value, form) for value in values]


def camel_case(name: str) -> str:
    """A field or a call by the exchange's own convention: `min_ts` is MinTs."""
    return "".join(word.capitalize() for word in name.split("_"))


def _go_kind(value: object) -> str:
    """What the exchange calls a JSON value."""
    kinds: dict[type, str] = {bool: "bool", str: "string", dict: "object", list: "array"}
    return "null" if value is None else kinds.get(type(value), "number")


def _units(text: str, units: int) -> int:
    whole, _, part = text.partition(".")
    digits = len(str(units)) - 1
    return int(whole) * units + int(part.ljust(digits, "0") or 0)


@dataclass(frozen=True)
class Answer:
    """An answer as it leaves.

    A `body` of None sends none; bytes are sent unchanged. `cut` is the failure that replaces the answer:
    `refused`, `reset` or `timeout`. `delay` is the answer's delay in seconds."""

    status: int
    body: Mapping[str, Any] | bytes | None
    content_type: str = "application/json"
    cut: str | None = None
    delay: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def payload(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def page(
    request: Request, found: Sequence[T], most: int, default: int = 100, least: int = 1, newest_first: bool = False
) -> tuple[list[T], str]:
    """One page of a list in the order of its numbers, and the next page's cursor.

    On the last page the cursor is empty. An unknown cursor starts over, as on the real exchange."""
    last = follows(request)
    rows: Iterable[T] = reversed(found) if newest_first else found
    if last is not None:
        rows = (row for row in rows if (row.number < last if newest_first else row.number > last))
    return first_page(request, rows, most, default, least)


def follows(request: Request) -> int | None:
    """The number of the item that a page follows; None: it is the first page."""
    return _number_of(request.value("cursor") or "")


def first_page(
    request: Request, rows: Iterable[T], most: int, default: int = 100, least: int = 1
) -> tuple[list[T], str]:
    """The rows that a page has room for, and the next page's cursor.

    `rows` begin where the page does. Of those that it has no room for, one is read."""
    limit = request.whole("limit", default, least, most) or default
    found = list(islice(rows, limit + 1))
    return found[:limit], _cursor(found[limit - 1].number) if len(found) > limit else ""


_CURSOR = b"after"


def _cursor(number: int) -> str:
    """A cursor behind the item with a number. Clients cannot read it."""
    return base64.urlsafe_b64encode(_CURSOR + number.to_bytes(8, "big")).decode().rstrip("=")


def _number_of(cursor: str) -> int | None:
    """The number of the item that a cursor follows, or None if it is no cursor."""
    try:
        told = base64.urlsafe_b64decode(cursor.encode() + b"===")
    except ValueError:
        return None
    return int.from_bytes(told[5:], "big") if told.startswith(_CURSOR) and len(told) == 13 else None
