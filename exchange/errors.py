"""Everything that can go wrong between the bot and an exchange, by what it means for the money.

    BotError                                                                                         then
    ├── ConfigError                before anything was sent: the person at the keyboard can mend it  stop
    ├── LedgerError                the ledger could not be opened, read or written (`ledger/`)       retry
    └── ExchangeError              a request did not end well; `maybe_done`: it may have been carried out
        ├── Unreachable            no answer came
        │   ├── NotSent            no connection: nothing left this machine          not done        retry
        │   └── NoAnswer           sent, then reset or silence                       maybe done      retry
        ├── Unreadable             a success with something that is not as promised  maybe done      skip, retry
        ├── Answered               an error status, in the exchange's own words
        │   ├── Unavailable        5xx                                               maybe done      retry
        │   └── Refused            4xx or 3xx: it did not do it                      not done        skip
        │       ├── RateLimited    429: asked too often                                              retry
        │       ├── Unauthorized   401: the key, the signature or the clock                          stop, retry
        │       ├── Forbidden      403: this key may not do that                                     stop
        │       ├── Paused         by its code: there, no orders are taken for now                   skip
        │       ├── Gone           404 for an order: filled, expired or canceled. Look at the fills  skip
        │       └── AlreadyExists  409 for an order: this client order id was used before            skip
        ├── OutcomeUnknown         an order that could not be found, nor shown not to be  maybe done retry
        ├── TookTooLong            reads that were given up for what is more urgent  not done        retry
        └── StillResting           orders that were canceled are still listed        not done        retry

What `recovery` means is said at `Recovery`; of two, the second is for a 401 that only the time explains, and for
what cannot be read without even a market's name in it. A fault of the bot's own ends the cycle too.

The text of each is made for the log: what was asked, what the exchange said, what to do. None carries a key,
a signature, a header or the number of an account.
"""

from __future__ import annotations

from enum import Enum


class Recovery(Enum):
    """What the bot does about an error. `STOP`: only a person can mend it. `SKIP`: the order or the market that it
    is about is left out of this cycle; where it is about the whole account, as `RETRY`. `RETRY`: the cycle ends,
    and is tried again; many in a row are an outage."""

    STOP = "stop"
    SKIP = "skip"
    RETRY = "retry"


class BotError(Exception):
    """Root of the errors this project raises on purpose."""

    recovery = Recovery.RETRY


class ConfigError(BotError):
    """A setting, an environment variable or a key file is wrong. Raised before anything is sent."""

    recovery = Recovery.STOP


class ExchangeError(BotError):
    """A request to the exchange did not end well. `status` is that of the answer, 0 where none came; `code`,
    `message` and `details` are the exchange's own words, empty where it gave none; `advice` is what to do."""

    maybe_done = True
    """Whether the exchange may have carried the request out all the same."""

    status = 0
    code = message = details = advice = ""

    def __init__(self, request: str, problem: str, advice: str = "") -> None:
        self.request = request
        self.advice = advice or self.advice
        super().__init__(f"{request}: {problem}" + (f" ({self.advice})" if self.advice else ""))

    def mark_maybe_done(self) -> None:
        """Say that an earlier attempt at the same request may have been carried out, whatever became of this."""
        self.maybe_done = True
        self.args = (f"{self.args[0]}; an earlier attempt may have been carried out",)


class Unreachable(ExchangeError):
    """No answer came."""

    advice = "is the network up?"


class NotSent(Unreachable):
    """No connection could be made. Nothing left this machine."""

    maybe_done = False


class NoAnswer(Unreachable):
    """The request was sent, and no answer came. A read may be repeated; the outcome of a write is unknown."""


class Unreadable(ExchangeError):
    """The exchange answered with success, and with something that is not what its API promises. `ticker` is the
    market that the unreadable item of a list is about, empty where even that is unknown."""

    advice = "if it stays, the exchange has changed its API: look for a newer version of the bot"

    def __init__(self, request: str, problem: str, ticker: str = "") -> None:
        self.ticker = ticker
        self.recovery = Recovery.SKIP if ticker else Recovery.RETRY
        super().__init__(request, problem)


class OutcomeUnknown(ExchangeError):
    """An order was sent, and whether it exists could not be told in time. Nothing else may be done in its market
    before that is known."""

    advice = "look at the resting orders and the fills before anything else is done in that market"


class TookTooLong(ExchangeError):
    """Many reads were given up, for something else is more urgent."""

    maybe_done = False
    advice = "if it stays, raise WAIT_TIME or EXPIRATION_TS"


class StillResting(ExchangeError):
    """Canceled orders are still listed as resting, some time after the exchange took the cancels."""

    maybe_done = False


class Answered(ExchangeError):
    """The exchange answered with an error status."""

    def __init__(self, request: str, status: int, code: str = "", message: str = "", details: str = "") -> None:
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        said = " · ".join(part for part in (code, message, details) if part) or "no message"
        super().__init__(request, f"{status} {said}", _ADVICE.get(status, ""))

    def has_code(self, code: str) -> bool:
        """Whether the exchange's code is `code`: it may have something after it (`user_not_found:_<id>`)."""
        return self.code.startswith(code)


class Unavailable(Answered):
    """Answered 5xx: the exchange is not well. A write may have been carried out."""

    advice = "the exchange is not available for the moment; the next cycle tries again"


class Refused(Answered):
    """Answered 4xx: the exchange did not do it, and repeating it unchanged will not help."""

    maybe_done = False
    recovery = Recovery.SKIP


class RateLimited(Refused):
    """Answered 429: asked too often. Nothing was done."""

    recovery = Recovery.RETRY


class Unauthorized(Refused):
    """Answered 401: the key, the signature or the time in it was not accepted."""

    def __init__(self, request: str, status: int, code: str = "", message: str = "", details: str = "") -> None:
        super().__init__(request, status, code, message, details)
        self.recovery = Recovery.RETRY if self.by_clock else Recovery.STOP

    @property
    def by_clock(self) -> bool:
        """Whether the time was what was not accepted."""
        return self.has_code("header_timestamp_expired")


class Forbidden(Refused):
    """Answered 403: this key may not do that."""

    recovery = Recovery.STOP


class Paused(Refused):
    """The exchange, a shard or a single market takes no orders now."""


class Gone(Refused):
    """There is no such order to cancel or change: filled, expired or canceled, by an earlier attempt at this too.
    The fills tell which."""


class AlreadyExists(Refused):
    """An order with this client order id exists already, or did: it landed when it was sent before."""


_ADVICE = {
    401: "check the key id and key file in .env: do they belong together and to this environment? "
    "Is this machine's clock right?",
    403: "this key may not do that: give it write permission, on the primary account",
    410: "this path is retired: the exchange has changed its API, look for a newer version of the bot",
    429: "asked too often: raise WAIT_TIME, and stop other programs that use this account",
}


def error_for_status(
    request: str, status: int, code: str, message: str, details: str, about_order: bool = False
) -> Answered:
    """The error for an answer with an error status. `about_order`: the request named one order. Codes decide where
    there is one, for some statuses are shared: a 404 in HTML says nothing about an order."""
    kind: type[Answered] = Refused
    name = code.replace(" ", "_")  # both were seen
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
    elif status == 404 and about_order and name.startswith(("not_found", "order_not_found")):
        kind = Gone
    elif status == 409 and name.startswith("order_already_exists"):
        kind = AlreadyExists
    return kind(request, status, code, message, details)
