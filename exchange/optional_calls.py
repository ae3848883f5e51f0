"""Calls that the bot can do without: which ones fail, and when to ask again.

Promise:
- A call that failed is not sent again for a minute, then for two, four, eight and ten. Meanwhile it raises the
  error of its last attempt at once. The age of the lists is asked for every minute: without it an order could be
  placed twice if the lists lag for long.
- A read is asked again by `ask_again` even if nobody needs its answer meanwhile.
- `on_news` is called once when a call begins to fail, and once when it works again.

Each call's caller has a careful assumption for the time without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from enum import Enum
from functools import partial, wraps
from typing import Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from exchange.clock import ExchangeClock
from exchange.errors import ExchangeError
from exchange.json_fields import PartialList

ASKED_AGAIN = 60.0
LONGEST = 600.0
"""Seconds until a call that failed is sent again: the first and the longest wait. It doubles with each failure."""

P = ParamSpec("P")
T = TypeVar("T")

_NO_CASH = "cash that nothing explains is not counted before this can be read"


class OptionalCall(Enum):
    """A call that the bot can do without.

    `without`: what the bot does while it fails, as a clause for the log."""

    SCHEDULE = "GET /exchange/schedule", "planned pauses are noticed when they begin"
    LISTS_TIME = (
        "GET /exchange/user_data_timestamp",
        "the account's lists count as current 2 s after the bot's last write",
    )
    SERIES = "GET /series", "a series whose fees are not known counts with the dearest maker fee"
    EVENTS = "GET /events", "strikes of an event that is not known yet count as not excluding each other"
    CANDLES = (
        "GET /markets/candlesticks",
        "a day's profit begins with the last prices seen before midnight, else with the first seen after it",
    )
    ENDED_PROGRAMS = "GET /incentive_programs?status=closed", "it is not known which windows were paid out"
    LIMITS = "GET /account/limits", "requests keep to the lowest tier's rate limits"
    COSTS = "GET /account/endpoint_costs", "requests count with the lowest tier's costs"
    BALANCE = "GET /portfolio/balance", "free cash counts as the last known, less what was placed and spent since"
    SETTLEMENTS = "GET /portfolio/settlements", f"a market's public result counts as its payout, and {_NO_CASH}"
    DEPOSITS = "GET /portfolio/deposits", _NO_CASH
    WITHDRAWALS = "GET /portfolio/withdrawals", _NO_CASH
    TRANSFERS = "GET /portfolio/intra_exchange_instance_transfers", _NO_CASH
    SUBACCOUNT_TRANSFERS = "GET /portfolio/subaccounts/transfers", _NO_CASH
    API_KEYS = "GET /api_keys", "another key of the same user is known by the user's orders alone"
    AMEND = (
        "POST /portfolio/events/orders/{order_id}/amend",
        "orders are canceled and placed again instead of renewed or moved, at the end of the queue",
    )
    ORDER_GROUPS = (
        "POST /portfolio/order_groups/create",
        "quotes rest without the exchange's own fill limit, at most FILL_LIMIT contracts of them on a shard",
    )

    def __init__(self, request: str, without: str) -> None:
        self.request, self.without = request, without

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing on the exchange."""
        return self.request.startswith("GET ")


class FailingCall(NamedTuple):
    """A call that fails.

    `error`: of the last attempt. `since`: when it first failed. `wait`: seconds between that attempt and the next,
    which is `due` at that monotonic time."""

    call: OptionalCall
    error: ExchangeError
    since: datetime
    wait: float
    due: float


class Requester(Protocol):
    """What sends the calls.

    `patience`: seconds after a call in which a repeat may begin."""

    clock: ExchangeClock
    patience: float


class OptionalCalls:
    """The calls of one client that may fail alone.

    `on_news` gets a call, and whether it fails from now on. If not, it works again."""

    def __init__(self, requester: Requester) -> None:
        self.on_news: Callable[[FailingCall, bool], None] = lambda call, fails: None
        self._requester = requester
        self._failing: dict[OptionalCall, FailingCall] = {}
        self._sends: dict[OptionalCall, Callable[[], object]] = {}

    @property
    def failing(self) -> Collection[FailingCall]:
        """The calls whose last attempt failed."""
        return self._failing.values()

    @property
    def due(self) -> list[OptionalCall]:
        """The failing calls that may be sent now."""
        return [call for call in self._failing if self.may_send(call)]

    def fails(self, call: OptionalCall) -> bool:
        """Whether the last attempt at a call failed."""
        return call in self._failing

    def may_send(self, call: OptionalCall) -> bool:
        """Whether a call would be sent now. If not, it raises its last error."""
        known = self._failing.get(call)
        return known is None or known.due <= self._requester.clock.monotonic()

    def ask(self, call: OptionalCall, send: Callable[[], T]) -> T:
        """Return what `send` returns. Raises the call's `ExchangeError`.

        While the call may not be sent, it does so without sending. A list of which no item is readable is a
        failure."""
        known = self._failing.get(call)
        if known is not None and not self.may_send(call):
            raise known.error.with_traceback(None)
        try:
            result = self._once(send) if known else send()
            if isinstance(result, PartialList) and result.unreadable and not result.items:
                raise result.unreadable[0]
        except ExchangeError as error:
            self._sends[call] = send
            self.note_failure(call, error)
            raise
        self.note_success(call)
        return result

    def ask_again(self) -> None:
        """Send the failing reads that may be sent now, as they were sent last."""
        for call in self.due:
            if call.is_read:
                with suppress(ExchangeError):
                    self.ask(call, self._sends[call])

    def _once(self, send: Callable[[], T]) -> T:
        """Send a call without repeats: it is likely to fail again."""
        patience, self._requester.patience = self._requester.patience, 0.0
        try:
            return send()
        finally:
            self._requester.patience = patience

    def note_success(self, call: OptionalCall) -> None:
        """Remember that a call works."""
        if call in self._failing:
            self.on_news(self._failing.pop(call), False)

    def note_failure(self, call: OptionalCall, error: ExchangeError) -> None:
        """Remember that a call fails."""
        clock, known = self._requester.clock, self._failing.get(call)
        longest = ASKED_AGAIN if call is OptionalCall.LISTS_TIME else LONGEST
        wait = min(2 * known.wait, longest) if known else ASKED_AGAIN
        since = known.since if known else clock.now()
        now = FailingCall(call, error, since, wait, clock.monotonic() + wait)
        self._failing[call] = now
        if known is None:
            self.on_news(now, True)


class _Client(Protocol):
    optional_calls: OptionalCalls


C = TypeVar("C", bound=_Client)


def optional(
    call: OptionalCall,
) -> Callable[[Callable[Concatenate[C, P], T]], Callable[Concatenate[C, P], T]]:
    """Decorate a client's method that makes a call which the bot can do without."""

    def decorate(method: Callable[Concatenate[C, P], T]) -> Callable[Concatenate[C, P], T]:
        @wraps(method)
        def asked(self: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return self.optional_calls.ask(call, partial(method, self, *args, **kwargs))

        return asked

    return decorate
