"""Tell the exchange's own answers from a firewall's or a login page's.

Promise:
- A refusal is the exchange's own only if its body has the form of the exchange's errors. What else refuses is
  `Intercepted`: an outage, not a problem of the key.
- A redirect's host is told, never its query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from exchange.errors import Intercepted
from exchange.json_fields import shorten_ids

NO_SUCH_PATH = frozenset({404, 405, 410})
"""Statuses that say that the path, or the method, is not there."""

LOGIN_NEEDED = 511
"""The status of a network that wants a sign-in first."""

_SIGN_IN = "sign in to this network in a browser"
_REFUSES = "a firewall, a VPN, a proxy or a login page may be the cause; the bot goes on trying"
_ADVICE = {
    **dict.fromkeys(
        NO_SUCH_PATH, "check the address in .env; if it is right, look for a newer version of the bot"
    ),
    407: "a proxy wants a user name and a password: put them into HTTPS_PROXY",
    LOGIN_NEEDED: _SIGN_IN,
}

_CODE = re.compile(r"[a-z]+(?![A-Za-z])")
"""How a code of the exchange begins: with a word in small letters, as in `invalid_order`."""

_PAGE = re.compile(
    rb"\s*(<!--.*?-->\s*)*<(!doctype|html|head|body|title|meta|script)\b", re.IGNORECASE | re.DOTALL
)
_STARTS = 4_000
"""Bytes in which a page shows what it is."""

_TITLE = re.compile(r"<title[^>]*>([^<]*)</title", re.IGNORECASE)


def is_own_refusal(status: int, body: Any) -> bool:
    """Whether a refusal's decoded body has the form of the exchange's errors.

    They carry a code in small letters. Only the refusal of a query (400) has nothing but `msg`, and an exchange
    that is down tells its state."""
    if not isinstance(body, Mapping):
        return False
    if "trading_active" in body:
        return True
    inner = body.get("error")
    code = (inner if isinstance(inner, Mapping) else body).get("code")
    if isinstance(code, str) and _CODE.match(code):
        return True
    return status == 400 and isinstance(body.get("msg"), str)


def refusal_in_between(
    source: str, response: requests.Response, body: Any, clean: Callable[[str], str]
) -> Intercepted | None:
    """Return the error for a refusal that is not the exchange's own, else None.

    `body`: its content decoded, None if it is no JSON. `clean` removes secrets from the error's text. A 429 and a
    5xx mean the same whoever sent them, except for the 511 of a login page."""
    status = response.status_code
    if status == 429 or (status >= 500 and status != LOGIN_NEEDED) or is_own_refusal(status, body):
        return None
    if 300 <= status < 400:
        return Intercepted(source, status, clean(_redirect(response)), f"it may be a login page: {_SIGN_IN}")
    return Intercepted(source, status, clean(beginning(response)) or "no message", _ADVICE.get(status, _REFUSES))


def page_in_between(source: str, response: requests.Response, clean: Callable[[str], str]) -> Intercepted | None:
    """Return the error for a success that is a web page, else None."""
    if not _PAGE.match(response.content[:_STARTS]):
        return None
    said = f"a web page: {clean(beginning(response))}"
    return Intercepted(source, response.status_code, said, f"if it is a login page: {_SIGN_IN}")


def beginning(response: requests.Response) -> str:
    """Return the title of a page, or an answer's first 200 characters."""
    start = response.content[:_STARTS]
    text = start.decode("utf-8", "replace")
    title = _TITLE.search(text) if _PAGE.match(start) else None
    said = title[1] if title and title[1].strip() else text[:400]
    return shorten_ids(" ".join(said.split()))[:200]


def _redirect(response: requests.Response) -> str:
    try:
        host = urlsplit(response.headers.get("Location", "")).hostname
    except ValueError:
        host = None
    return (
        f"it sends the bot on to {shorten_ids(host)[:100]}" if host else "it sends the bot on to another address"
    )
