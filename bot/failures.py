"""A step that may fail, and what its failure says. Promise: every error is told with what it means for what was
asked, a fault of the bot's own with its traceback; only what stops the process passes.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import NamedTuple

from exchange.errors import BotError, ExchangeError, Then


class Failure(NamedTuple):
    """What went wrong, in words for the log and details, and what the bot does about it."""

    told: str
    details: tuple[str, ...]
    then: Then


def of(step: Callable[[], object]) -> Failure | None:
    """Do a step. Returns how it failed, None where it went well."""
    try:
        step()
    except BotError as error:
        looked_for = "It may have been carried out all the same; the next cycle looks before it acts"
        in_doubt = isinstance(error, ExchangeError) and error.maybe_done
        return Failure(str(error), (looked_for,) if in_doubt else (), error.then)
    except Exception as error:
        told = f"the bot met a fault of its own, please report it: {type(error).__name__}: {error}"
        return Failure(told, tuple(traceback.format_exc().splitlines()), Then.RETRY)
    return None
