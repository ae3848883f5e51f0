"""Everything that can go wrong between the bot and an exchange, by what it means for the money.

    BotError
    ├── ConfigError              before anything was sent: the person at the keyboard can mend it
    └── ExchangeError            a request failed; `maybe_done` says whether it may have been carried out
        ├── Unreachable          no answer (refused, reset, timed out)      maybe done
        ├── Unavailable          answered 5xx                               maybe done
        ├── RateLimited          answered 429                               not done
        ├── Refused              answered any other 4xx (or 3xx)            not done
        ├── Unreadable           answered 2xx with something we can't read  maybe done
        └── StillResting         orders that were canceled are still listed

The text of each is made for the log: what was asked, what the exchange said, what to do. None carries a key,
a signature or a header.
"""

from __future__ import annotations


class BotError(Exception):
    """Root of the errors this project raises on purpose."""


class ConfigError(BotError):
    """A setting, an environment variable or a key file is wrong. Raised before anything is sent."""


class ExchangeError(BotError):
    """A request to the exchange did not end well."""

    maybe_done = True
    """Whether the exchange may have carried the request out all the same."""

    def __init__(self, request: str, problem: str) -> None:
        super().__init__(f"{request}: {problem}")


class Unreachable(ExchangeError):
    """No answer came. A read may be repeated; the outcome of a write is unknown."""


class Unreadable(ExchangeError):
    """The exchange answered with success, and with something that is not what its API promises."""


class StillResting(ExchangeError):
    """Canceled orders are still listed as resting, some time after the exchange took the cancels."""

    maybe_done = False


class Answered(ExchangeError):
    """The exchange answered with an error status. `code`, `message` and `details` are its own words, empty
    where it gave none."""

    def __init__(self, request: str, status: int, code: str = "", message: str = "", details: str = "") -> None:
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        said = " · ".join(part for part in (code, message, details) if part) or "no message"
        advice = _ADVICE.get(status, _UNAVAILABLE if status >= 500 else "")
        super().__init__(request, f"{status} {said}" + (f" ({advice})" if advice else ""))


class Refused(Answered):
    """Answered 4xx: the exchange did not do it, and repeating it unchanged will not help."""

    maybe_done = False


class RateLimited(Answered):
    """Answered 429: asked too often. Nothing was done."""

    maybe_done = False


class Unavailable(Answered):
    """Answered 5xx: the exchange is not well. A write may have been carried out."""


_UNAVAILABLE = "the exchange is not available for the moment; the next cycle tries again"
_ADVICE = {
    401: "check the key id and key file in .env: do they belong together and to this environment? "
    "Is this machine's clock right?",
    403: "this key may not do that: give it write permission, on the primary account",
    410: "this path is retired: the exchange has changed its API, look for a newer version of the bot",
    429: "asked too often: raise WAIT_TIME, and stop other programs that use this account",
}


def answered(request: str, status: int, code: str, message: str, details: str) -> Answered:
    """The error for an answer with an error status."""
    kind = RateLimited if status == 429 else Unavailable if status >= 500 else Refused
    return kind(request, status, code, message, details)
