"""All errors of the bot and the exchange, and what the bot does about each.

Promise:
- An error's text is made for the log: the request, the exchange's answer, and what you can do.
- It contains no key, signature, header or account number.

    BotError                                                                       carried out?  the bot
    ├── ConfigError            a setting, a variable or a file is wrong            nothing sent  stops
    ├── LedgerError            the ledger cannot be opened, read or written                      retries
    └── ExchangeError          a request failed
        ├── Unreachable        no answer
        │   ├── NotSent        no connection: nothing left this machine            no            retries
        │   └── NoAnswer       sent, then a timeout or a lost connection           maybe         retries
        ├── Unreadable         a success whose content breaks the API's promise    maybe         skips (or retries)
        ├── Answered           an error status, with the words that came with it
        │   ├── Intercepted    not the exchange's own: a firewall, a login page    maybe         retries
        │   ├── Unavailable    5xx                                                 maybe         retries
        │   └── Refused        3xx or 4xx                                          no            skips
        │       ├── RateLimited    429: too many requests                          no            retries
        │       ├── Unauthorized   401: wrong key, signature or time               no            stops (or retries)
        │       ├── Forbidden      403: the key lacks the permission               no            stops
        │       ├── Paused         by its code: no orders are accepted for now     no            skips
        │       ├── ShortOfCash    by its code: the shard's free cash is too small no            skips
        │       ├── Gone           404 for an order: filled, expired or canceled   no            skips
        │       └── AlreadyExists  409 for an order: its client order id was used  no            skips
        ├── OutcomeUnknown     an order was sent, and may or may not exist         maybe         retries
        ├── TookTooLong        reads were abandoned for more urgent work           no            retries
        └── StillResting       canceled orders are still listed as resting         no            retries

"Carried out?" is the attribute `maybe_done`. "Stops", "skips" and "retries" are defined at `Recovery`.
`Unreadable` retries if it names no market. `Unauthorized` retries if only the time was rejected. After `Gone`, the
fills show whether the order was filled. Any other exception is a bug in the bot, which then retries.
"""

from __future__ import annotations

from enum import Enum


class Recovery(Enum):
    """What the bot does about an error.

    - `STOP`: only a person can fix it. The bot stops: at startup at once, later after several failures in a row.
    - `SKIP`: the cycle goes on without the order or market. An error of the whole account is a `RETRY`.
    - `RETRY`: the cycle ends and is tried again. Several failed cycles in a row are an outage.
    """

    STOP = "stop"
    SKIP = "skip"
    RETRY = "retry"


class BotError(Exception):
    """Root of the errors that this project raises on purpose."""

    recovery = Recovery.RETRY


class ConfigError(BotError):
    """A setting, environment variable or key file is wrong.

    Raised before anything is sent."""

    recovery = Recovery.STOP


class ExchangeError(BotError):
    """A request to the exchange failed.

    `status` is the answer's status, 0 without an answer. `code`, `message` and `details` are the exchange's own
    words, empty if it sent none. `advice` says what you can do."""

    maybe_done = True
    """Whether the exchange may still have carried the request out."""

    status = 0
    code = message = details = advice = ""

    def __init__(self, request: str, problem: str, advice: str = "") -> None:
        self.request = request
        self.advice = advice or self.advice
        super().__init__(f"{request}: {problem}" + (f" ({self.advice})" if self.advice else ""))

    def mark_maybe_done(self) -> None:
        """Record that an earlier attempt of this request may have been carried out."""
        self.maybe_done = True
        self.args = (f"{self.args[0]}; an earlier attempt may have been carried out",)


class Unreachable(ExchangeError):
    """No answer came."""

    advice = "check the network connection"


class NotSent(Unreachable):
    """Certainly not sent: there was no connection to the exchange."""

    maybe_done = False


class NoAnswer(Unreachable):
    """The request was sent, and no answer came.

    A read may be repeated. The outcome of a write is unknown."""


class Unreadable(ExchangeError):
    """The exchange answered with success, but the content breaks its API.

    `ticker` is the market of the unreadable list item, empty if unknown."""

    advice = "if this persists, the exchange has changed its API: look for a newer version of the bot"

    def __init__(self, request: str, problem: str, ticker: str = "") -> None:
        self.ticker = ticker
        self.recovery = Recovery.SKIP if ticker else Recovery.RETRY
        super().__init__(request, problem)


class OutcomeUnknown(ExchangeError):
    """An order was sent, and the bot could not find out in time if it exists.

    Until that is known, the bot must do nothing else in its market."""

    advice = "check the resting orders and the fills before you do anything else in that market"


class TookTooLong(ExchangeError):
    """A series of reads was abandoned because other work is more urgent."""

    maybe_done = False
    advice = "if this persists, raise WAIT_TIME or EXPIRATION_TS"


class StillResting(ExchangeError):
    """Orders are still listed as resting, some time after their cancels succeeded."""

    maybe_done = False


class Answered(ExchangeError):
    """An answer came that is no success."""

    def __init__(self, request: str, status: int, code: str = "", message: str = "", details: str = "") -> None:
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        said = " · ".join(part for part in (code, message, details) if part) or "no message"
        advice = _READ_FORBIDDEN if status == 403 and request.startswith("GET ") else _ADVICE.get(status, "")
        super().__init__(request, f"{status} {said}", advice)

    def has_code(self, code: str) -> bool:
        """Whether the exchange's code begins with `code`.

        An id may follow it (`user_not_found:_<id>`)."""
        return self.code.startswith(code)


class Intercepted(Answered):
    """Not the exchange answered, but something on the way to it.

    That may be a firewall, a proxy or a login page. The exchange may still have had the request: a firewall may
    block only the answer. `status` is the answer's, also 200. `message` tells what came."""

    def __init__(self, request: str, status: int, said: str, advice: str) -> None:
        self.status, self.message = status, said
        ExchangeError.__init__(
            self, request, f"{status} that does not come from the exchange's API: {said}", advice
        )


class Unavailable(Answered):
    """Answered 5xx: the exchange is unavailable. A write may have been carried out."""

    advice = "the exchange is unavailable for now; the next cycle tries again"


class Refused(Answered):
    """Answered 4xx or 3xx: not carried out, and an unchanged repeat will not help."""

    maybe_done = False
    recovery = Recovery.SKIP


class RateLimited(Refused):
    """Answered 429: too many requests. Nothing was done."""

    recovery = Recovery.RETRY


class Unauthorized(Refused):
    """Answered 401: the exchange rejected the key, the signature or its time."""

    def __init__(self, request: str, status: int, code: str = "", message: str = "", details: str = "") -> None:
        super().__init__(request, status, code, message, details)
        self.recovery = Recovery.RETRY if self.by_clock else Recovery.STOP

    @property
    def by_clock(self) -> bool:
        """Whether the exchange rejected only the time."""
        return self.has_code("header_timestamp_expired")


class Forbidden(Refused):
    """Answered 403: this key lacks the permission."""

    recovery = Recovery.STOP


class Paused(Refused):
    """The exchange, a shard or a single market accepts no orders for now."""


class ShortOfCash(Refused):
    """The order's shard has too little free cash."""


class Gone(Refused):
    """The order to cancel or amend was filled, has expired or was canceled.

    An earlier attempt of the same request may have canceled it. The fills show which it was."""


class AlreadyExists(Refused):
    """The client order id is used already, because an earlier attempt arrived."""


_READ_FORBIDDEN = "this key may not read this: look at its permissions; it must be a key of the primary account"
_ADVICE = {
    401: "check that the key id and key file in .env belong together and to this environment, "
    "and that this machine's clock is right",
    403: "this key lacks the permission: give it write permission, on the primary account",
    410: "this path is retired: the exchange has changed its API, look for a newer version of the bot",
    501: "the exchange does not have this call: look for a newer version of the bot",
    429: "too many requests: raise WAIT_TIME, and stop other programs that use this account",
}


def error_for_status(
    request: str, status: int, code: str, message: str, details: str, about_order: bool = False
) -> Answered:
    """Return the error for an answer with an error status.

    `about_order`: the request named one order. The code decides if one status has several meanings: a 404 in HTML
    is not about an order."""
    kind: type[Answered] = Refused
    name = code.replace(" ", "_")  # both spellings occur
    if status >= 500:
        kind = Unavailable
    elif status == 429:
        kind = RateLimited
    elif status == 401:
        kind = Unauthorized
    elif status == 403:
        kind = Forbidden
    elif name.startswith(("trading_is_paused", "exchange_is_paused")):
        kind = Paused
    elif name.startswith(("insufficient_balance", "available_balance_too_low")):
        kind = ShortOfCash
    elif status == 404 and about_order and name.startswith(("not_found", "order_not_found")):
        kind = Gone
    elif status == 409 and name.startswith("order_already_exists"):
        kind = AlreadyExists
    return kind(request, status, code, message, details)
