"""The form of `trade.log`. Promise: one event a line, the same on the console and in the file, in local time:

    2026-01-16 18:05:57 [CANCEL ORDER] Ticker: KXHIGHCHI-26JAN16-B35.5 | Side: yes | Price: 0.4600
      └─ details, where there are any

Nothing that an exchange or a file says can forge a line: line breaks in values become spaces.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from errors import ConfigError
from models import Level

TOP_LEVELS = 5


def open_log(path: Path) -> logging.Logger:
    """The one logger, writing to the console and appending to `path`."""
    logger = logging.Logger("trade", logging.INFO)
    try:
        handlers: list[logging.Handler] = [
            logging.StreamHandler(sys.stdout),
            logging.FileHandler(path, encoding="utf-8"),
        ]
    except OSError as error:
        raise ConfigError(
            f"The log {path} cannot be written ({error.strerror}). Nobody should trade without a log: make the "
            "file and its folder writable, or run the bot from a copy that is."
        ) from None
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
    return logger


def close_log(logger: logging.Logger) -> None:
    for handler in list(logger.handlers):
        handler.close()
        logger.removeHandler(handler)


def entry(when: datetime, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> str:
    """One event, ready to be written. `fields` are `Key: value` pairs, or a sentence."""
    said = fields if isinstance(fields, str) else " | ".join(f"{key}: {value}" for key, value in fields.items())
    lines = [f"{when.astimezone():%Y-%m-%d %H:%M:%S} [{event}] {_one_line(said)}"]
    return "\n".join(lines + [f"  └─ {_one_line(detail)}" for detail in details])


def local_time(when: datetime) -> str:
    """A time of day as the log's own lines show it."""
    return f"{when.astimezone():%H:%M:%S}"


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def top_levels(name: str, levels: Iterable[Level]) -> str:
    """The best prices of a side, as the `[ORDER BOOK]` event shows them."""
    best = [f"${level.price:.4f} x {level.size.normalize():f}" for level in list(levels)[:TOP_LEVELS]]
    return f"{name} (Top {TOP_LEVELS}): {' | '.join(best) or 'nobody bids'}"
