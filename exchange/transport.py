"""Send requests to the exchange: rate-limited, signed, repeated if that is safe.

Promise:
- Any request is repeated after `NotSent` (no connection) or `RateLimited` (429): it was not carried out.
- An idempotent request (read, cancel or amend) is also repeated after `NoAnswer` (timeout, lost connection),
  `Unavailable` (5xx, but not 501: the exchange does not have the call), `Unreadable` (a success without a JSON
  object) or `Intercepted` (a firewall or a login page answered, but not with 404, 405 or 410).
- The create of an order or a batch is never repeated after those errors: it could take effect twice.

Repeats back off with jitter: first up to 0.25 s, then doubling to up to 2 s. None begins later than `PATIENCE`
(12 s) after the call.

Each attempt is signed again, over time, method and path, without query and body (`exchange/signing.py`).
If the exchange rejects that time with a 401, its answer corrects the clock. The request is then sent once more at
once.

Any other `ExchangeError` is raised at once, and the last attempt's when time is up. Its `maybe_done` is true if
any attempt may have been carried out. It is false for every read and for `Gone`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests
from requests.utils import select_proxy

from exchange import json_fields
from exchange.clock import TOLERANCE, Clock, ExchangeClock
from exchange.errors import (
    ExchangeError,
    Gone,
    Intercepted,
    NoAnswer,
    NotSent,
    RateLimited,
    Unauthorized,
    Unavailable,
    Unreadable,
    error_for_status,
)
from exchange.http_session import CutShort
from exchange.interception import NO_SUCH_PATH, beginning, page_in_between, refusal_in_between
from exchange.json_fields import JsonObject, decode
from exchange.no_answer import no_answer
from exchange.rate_limits import Endpoint, RateLimiter

if TYPE_CHECKING:  # the caller passes the signer, so this module runs without the cryptography package
    from exchange.signing import Signer

PATIENCE = 12.0
"""Seconds after the call in which a repeat may begin."""

TIMEOUTS = (5.0, 10.0)
"""Seconds to wait for a connection, and for a byte of the answer.

A whole answer may take 1.5 times as long (`exchange/http_session.py`)."""

RUN_HEADER = "Simulator-Run"
"""Header that names a simulator's run: its ids and times start again with each run."""

NO_SUCH_CALL = NO_SUCH_PATH | {501}
"""Statuses that a repeat does not change."""

_ANSWERED = (Unavailable, Unreadable, Intercepted)
"""Errors of a request that has been answered, though it may have been carried out."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0
"""Backoff in seconds: before the second attempt, and the maximum. It doubles with each attempt."""


class Transport:
    """Send one account's signed requests over one `requests.Session`."""

    def __init__(self, base_url: str, signer: Signer, clock: Clock, session: requests.Session) -> None:
        self.base_url = base_url
        self.clock = ExchangeClock(clock)
        self.rate_limiter = RateLimiter(self.clock)
        self.patience = PATIENCE
        self.timeouts = TIMEOUTS
        self.requests_sent = 0
        self.unanswered_until = -math.inf
        """Monotonic time in seconds until which an unanswered create may still reach the exchange."""
        self._confirmed_write_at: datetime | None = None
        self._unconfirmed_write_due: float | None = None
        self.simulator_run = ""
        """The simulator's run; empty for a real exchange, and before the first answer."""
        self._signer = signer
        self._session = session
        self._dice = random.Random()

    def request(
        self,
        endpoint: Endpoint,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        *,
        path_params: Mapping[str, str] | None = None,
        shard: int = 0,
        units: int = 1,
        keep: float = 0.0,
    ) -> JsonObject:
        """Make a call and return the answer's JSON object, empty for a 204.

        `path_params` fill the path. Tokens come from the bucket of `shard`, for a batch of `units` orders.
        `keep` tokens stay in the bucket. Raises an `ExchangeError`."""
        path = endpoint.path
        if path_params:
            path = path.format_map({name: quote(value, safe="") for name, value in path_params.items()})
        until = self.clock.monotonic() + self.patience
        attempt, corrected, in_doubt = 0, False, False
        while True:
            try:
                return self._attempt(endpoint, path, query, body, shard, units, keep)
            except ExchangeError as error:
                if endpoint.method == "GET":
                    error.maybe_done = False  # a read changes nothing
                by_clock = isinstance(error, Unauthorized) and error.by_clock and not corrected
                pause = 0.0 if by_clock else self._pause(attempt)
                if not by_clock and (not _may_repeat(endpoint, error) or self.clock.monotonic() + pause > until):
                    if in_doubt and not isinstance(error, Gone):
                        error.mark_maybe_done()
                    raise
                in_doubt = in_doubt or error.maybe_done
                corrected = corrected or by_clock
                attempt += 1
                self.clock.sleep(pause)

    @contextmanager
    def hurried(self, answer_seconds: float) -> Iterator[None]:
        """Repeat nothing in a `with` block, and wait so long for a byte of an answer."""
        before = self.timeouts, self.patience
        self.timeouts, self.patience = (answer_seconds / 2, answer_seconds), 0.0
        try:
            yield
        finally:
            self.timeouts, self.patience = before

    @property
    def key_id(self) -> str:
        return self._signer.key_id

    def clean(self, text: str) -> str:
        """Return `text` without the key's secrets."""
        return self._signer.without_secrets(text)

    def _pause(self, attempt: int) -> float:
        """Backoff before the next attempt, in seconds, with jitter."""
        longest = min(_FIRST_PAUSE * 2.0**attempt, _LONGEST_PAUSE)
        return longest * self._dice.uniform(0.5, 1.0)

    def _attempt(
        self,
        endpoint: Endpoint,
        path: str,
        query: Mapping[str, object] | None,
        body: Mapping[str, object] | None,
        shard: int,
        units: int,
        keep: float,
    ) -> JsonObject:
        try:
            with self.rate_limiter.acquire(endpoint, shard, units, keep):
                began = self.clock.monotonic()
                response = self._sent(endpoint.method, path, query, body)
                took = self.clock.monotonic() - began
            if response.status_code == 429:
                self.rate_limiter.bucket(endpoint, shard).empty()
            answer = self._answer(f"{endpoint.method} {path}", "{order_id}" in endpoint.path, response, took)
        except BaseException as error:  # after a Ctrl-C too, a write's outcome is unknown
            if endpoint.bucket == "write" and getattr(error, "maybe_done", True):
                if endpoint.changes_lists:
                    self._note_write(None)
                if not endpoint.idempotent and not isinstance(error, _ANSWERED):
                    self.unanswered_until = self.clock.monotonic() + TIMEOUTS[1]
            raise
        if endpoint.bucket == "write" and endpoint.changes_lists:
            self._note_write(answer)
        return answer

    def _answer(self, source: str, about_order: bool, response: requests.Response, took: float) -> JsonObject:
        status = response.status_code
        if not 200 <= status < 300:
            body = _decoded(response)
            intercepted = refusal_in_between(source, response, body, self.clean)
            if intercepted is not None:
                raise intercepted
            words = json_fields.error_words(body)
            code, message, details = map(self.clean, words if any(words) else ("", beginning(response), ""))
            error = error_for_status(source, status, code, message, details, about_order)
            if isinstance(error, Unauthorized) and error.by_clock:
                self.clock.synchronize(response.headers, took, refused=True)
            raise error  # its `Date` is not used: a proxy may have sent the error, by its own clock
        intercepted = page_in_between(source, response, self.clean)
        if intercepted is not None:
            raise intercepted
        self.clock.synchronize(response.headers, took)
        self.simulator_run = response.headers.get(RUN_HEADER, self.simulator_run)
        if status == 204:
            return JsonObject(source, {})
        try:
            return JsonObject(source, decode(response.content))
        except ValueError:
            said = self.clean(beginning(response))
            raise Unreadable(source, f"answered {status} with no JSON: {said}") from None

    @property
    def last_write(self) -> datetime | None:
        """Latest exchange time at which our last write can have taken effect.

        None before the first write."""
        told, untold = self._confirmed_write_at, None
        if self._unconfirmed_write_due is not None:
            untold = self.clock.now() + timedelta(seconds=self._unconfirmed_write_due - self.clock.monotonic())
        return max((at for at in (told, untold) if at is not None), default=None)

    def _note_write(self, answer: JsonObject | None) -> None:
        """Record when the exchange carried out a write, by its own timestamp.

        Without one, assume the latest possible time: its clock may be ahead of ours."""
        try:
            acted = None if answer is None else answer.optional("ts_ms", partial(answer.unix, per_second=1000))
        except Unreadable:
            acted = None
        if acted is None:
            self._unconfirmed_write_due = self.clock.monotonic() + TOLERANCE
        else:
            self._confirmed_write_at = max(acted, self._confirmed_write_at or acted)

    def _sent(self, method: str, path: str, query: Mapping[str, object] | None, body: object) -> requests.Response:
        self.requests_sent += 1
        begun: list[requests.Response] = []
        try:
            return self._session.request(
                method,
                self.base_url + path,
                params=query,  # type: ignore[arg-type]
                json=body,
                auth=self._sign,
                timeout=self.timeouts,
                hooks={"response": lambda response, **_: begun.append(response)},
                allow_redirects=False,  # a redirect would send the signature to another host
            )
        except CutShort as error:
            raise NoAnswer(f"{method} {path}", str(error)) from None
        except Exception as error:  # not all that the library raises is its own kind
            url = self.base_url + path
            host, proxy = urlsplit(url).hostname or "", select_proxy(url, self._session.proxies)
            raise no_answer(f"{method} {path}", error, host, proxy, bool(begun)) from None

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign the path as `requests` encodes it, because that is the path that is sent."""
        path = request.path_url.partition("?")[0]
        now_ms = int(self.clock.now().timestamp() * 1000)
        request.headers.update(self._signer.headers(request.method or "", path, now_ms))
        return request


def _may_repeat(endpoint: Endpoint, error: ExchangeError) -> bool:
    """Whether the same call may be sent again after `error`."""
    if isinstance(error, (NotSent, RateLimited)):
        return True
    is_passing = isinstance(error, (NoAnswer, *_ANSWERED)) and error.status not in NO_SUCH_CALL
    return endpoint.idempotent and is_passing


def _decoded(response: requests.Response) -> Any:
    """The JSON of an answer, None if it has none."""
    try:
        return decode(response.content)
    except ValueError:
        return None
