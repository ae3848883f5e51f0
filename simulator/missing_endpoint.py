"""Answers of an endpoint that is not there, or that makes no sense.

Promise:
- No answer is what the API promises. The one exception is `{}`, with which some writes succeed.
- The same seed answers the same requests with the same nonsense.

The kinds:

- `403`, `404`, `501`: the exchange's own form of error. `404_html`, `501_text`: a proxy's error page, in HTML and
  as plain text.
- `html`: a maintenance page with status 200.
- `nonsense`: JSON with status 200 that is not the answer: another type, an empty or foreign object, a list with
  rows that are nonsense, or fields of the wrong type.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from simulator.api.wire import Answer

PAGE = b"<!DOCTYPE html><html><head><title>Scheduled maintenance</title></head><body>Please log in</body></html>"
NOT_FOUND = b"<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"

ROWS = (1, None, {"a": "b"})
"""The rows of a list that is nonsense."""

_ERRORS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "403": ("permission_denied", "permission denied"),
        "404": ("not_found", "not found"),
        "501": ("not_implemented", "not implemented"),
    }
)

_LISTS: Mapping[str, str] = MappingProxyType(
    {
        "candlesticks": "markets",
        "positions": "market_positions",
        "intra_exchange_instance_transfers": "transfers",
    }
)
"""The field of a list's answer, by the end of its path, if it is not that end itself."""

_WRONG_TYPES: Mapping[str, Any] = MappingProxyType(
    {
        "balance": {"balance": "much", "balance_dollars": [], "balance_breakdown": 3, "updated_ts": None},
        "user_data_timestamp": {"as_of_time": 12},
        "limits": {"usage_tier": 7, "read": "fast", "write": None},
        "endpoint_costs": {"default_cost": "ten", "endpoint_costs": {"a": 1}},
        "schedule": {"schedule": "always"},
        "status": {"exchange_active": "yes", "trading_active": 1, "exchange_index_statuses": {}},
        "create": {"order_group_id": 5, "exchange_index": "first"},
        "orders": {"order_id": 5, "orders": "none", "fill_count": {}},
    }
)
"""An answer's own fields with values of the wrong type, by the end of its path."""


def answer(kind: str, path: str, dice: random.Random) -> Answer:
    """The answer to a request of `path`, without the API's root.

    `kind`: one of `simulator.faults.MISSING`."""
    if kind == "404_html":
        return Answer(404, NOT_FOUND, content_type="text/html")
    if kind == "501_text":
        return Answer(501, b"Not Implemented", content_type="text/plain")
    if kind == "html":
        return Answer(200, PAGE, content_type="text/html")
    if kind == "nonsense":
        return Answer(200, json.dumps(dice.choice(nonsense(path))).encode())
    code, message = _ERRORS[kind]
    return Answer(int(kind), {"error": {"code": code, "message": message}})


def nonsense(path: str) -> list[Any]:
    """The JSON values that may answer a request of `path`."""
    end = path.rpartition("/")[2]
    name = _LISTS.get(end, end)
    wrong = _WRONG_TYPES.get(end, {name: "none", "cursor": 4})
    return [[], "ok", {}, {"data": None}, {"error": "x"}, {name: list(ROWS), "cursor": ""}, wrong]
