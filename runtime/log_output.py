"""Where the log goes: the terminal, and `trade.log`, which begins anew when it is full.

Promise: logging never stops or delays trading. A terminal that is closed or held (Ctrl-S), a full disk, a file
that somebody moved away: each is survived and told where that can be read, and lines that could not be written are
counted. Every line is written at once and whole, so that `tail -F` may follow through all of it.
"""

from __future__ import annotations

import logging
import os
import re
import select
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from exchange.errors import ConfigError
from exchange.json_fields import shorten_ids
from runtime import log_format
from runtime.log_format import local_time

SIZE, FILES = 10_000_000, 5
"""Bytes after which a log begins anew, and older ones that are kept, where no settings say otherwise."""


class Console(logging.Handler):
    """The terminal, for as long as somebody reads it. A closed one neither stops the bot nor fills another
    stream with complaints, one that takes no text does not hold it up: the file has every line."""

    def __init__(self) -> None:
        super().__init__()
        self._left_out = 0
        self._terminal = _terminal()

    def emit(self, record: logging.LogRecord) -> None:
        self.show(self.format(record))

    def show(self, text: str) -> None:
        """Print, where that can be done now."""
        entry = text
        if self._left_out:
            entry = f"\n  └─ {self._left_out} entries are not shown here: the terminal took none\n{text}"
        try:
            self._print(entry)
        except BlockingIOError:
            self._left_out += 1
        except (OSError, ValueError):  # a broken pipe, a closed terminal, a closed stream
            self.setLevel(logging.CRITICAL + 1)
        else:
            self._left_out = 0

    def close(self) -> None:
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None
        super().close()

    def _print(self, text: str) -> None:
        """Print all of it. Raises `BlockingIOError` where there is no room, and some of it may be printed then."""
        if self._terminal is not None:
            entry = f"{text}\n".encode(sys.stdout.encoding, "replace")
            if os.write(self._terminal, entry) < len(entry):
                raise BlockingIOError
            return
        if not _takes_text():
            raise BlockingIOError
        try:
            print(text, flush=True)
        except UnicodeEncodeError:  # one that knows no box-drawing signs
            print(text.encode("ascii", "replace").decode(), flush=True)


def _terminal() -> int | None:
    """The terminal that is printed to, opened once more so that what is written there never waits: the shell,
    which shares the one we have, is used to waiting. None where there is none, or no such thing (on Windows)."""
    try:
        name = os.ttyname(sys.stdout.fileno())
        return os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError, AttributeError):
        return None


def _takes_text() -> bool:
    """Whether what is printed to, a pipe for one, takes text now; where that cannot be asked it is taken to."""
    try:
        return bool(select.select([], [sys.stdout], [], 0)[1])
    except (OSError, ValueError):
        return True


class LogFile(logging.Handler):
    """A file that never grows beyond `size` bytes but for its last entry: it is then renamed to `.1`, that to `.2`
    and so on, and as many as `files` older ones are kept. `warn` tells, once, that it cannot be written."""

    def __init__(self, path: Path, size: int, files: int, warn: Callable[[str], None]) -> None:
        super().__init__()
        self._path, self._size, self._files, self._warn = path, size, files, warn
        self._lost = 0
        self._cannot_turn = False
        self._file: int | None = self._opened()

    def emit(self, record: logging.LogRecord) -> None:
        entry = f"{self.format(record)}\n"
        if self._lost:
            entry = f"  └─ {self._lost} entries are missing here: the log could not be written\n{entry}"
        try:
            self._write(entry.encode(errors="replace"))
        except OSError as error:
            self._lost += 1
            if self._lost == 1:
                self._warn(
                    f"WARNING: {self._path} cannot be written ({error.strerror}). Trading goes on, and what is "
                    "logged is shown here only, if at all. Free some disk, or make the file writable"
                )
        else:
            self._lost = 0

    def close(self) -> None:
        self._drop()
        super().close()

    def _write(self, entry: bytes) -> None:
        """Write an entry in one piece. Raises `OSError`; what half of it stands then is ended by a line break
        before the next."""
        if self._file is not None and not self._is_in_place(self._file):
            self._drop()
        if self._file is None:
            self._file = self._opened()
        if self._size < os.fstat(self._file).st_size + len(entry):
            self._turn()
        if os.write(self._file, entry) < len(entry):
            self._drop()  # opened anew, it is seen to end within a line
            raise OSError(0, "no space left for all of a line")

    def _turn(self) -> None:
        """Begin anew. Where the names cannot be changed the file grows on, which is told once."""
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._files + 1))]
        self._drop()
        try:
            for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
                if newer.exists():
                    newer.replace(older)
        except OSError as error:
            if not self._cannot_turn:
                self._warn(f"WARNING: {self._path} cannot begin anew ({error.strerror}) and grows on")
            self._cannot_turn = True
        else:
            self._cannot_turn = False
        self._file = self._opened()

    def _opened(self) -> int:
        """The file, ready for a new line. Raises `OSError`."""
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        size = os.fstat(file).st_size
        try:
            if size and os.lseek(file, size - 1, os.SEEK_SET) >= 0 and os.read(file, 1) != b"\n":
                os.write(file, b"\n")
        except OSError:
            os.close(file)
            raise
        return file

    def _is_in_place(self, file: int) -> bool:
        """Whether the file still has its name: a person, or a program that looks after logs, may have moved it."""
        try:
            named, ours = self._path.stat(), os.fstat(file)
        except FileNotFoundError:
            return False
        return (named.st_ino, named.st_dev) == (ours.st_ino, ours.st_dev)

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def open_log(path: Path, size: int = SIZE, files: int = FILES) -> logging.Logger:
    """The one logger, writing to the console and appending to `path`, which begins anew after `size` bytes; so
    many older `files` are kept. Raises a `ConfigError` where the file cannot be written now."""
    logger = logging.Logger("trade", logging.INFO)
    console = Console()
    try:
        handlers = (console, LogFile(path, size, files, console.show))
    except OSError as error:
        raise ConfigError(
            f"The log {path} cannot be written ({error.strerror}). Nobody should trade without a log: make the "
            "file and its folder writable, or run the bot from a copy that is."
        ) from None
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
    return logger


COUNTED = frozenset({"ERROR", "SKIP POSITION", "REFUSED ORDER"})

UNCHANGED: frozenset[str] = frozenset({"KEEP ORDER"})
"""Events that tell of what stays as it was."""

FORGOTTEN = timedelta(hours=1)
"""What was not said for so long is new again."""


class Repeats:
    """How often the same was said. What goes wrong, or cannot be done, in every cycle is shown when it first
    comes, at the 10th, the 100th … time, and once an hour."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], _Repeated] = {}

    def counted(self, event: str, said: str, now: datetime, means: str = "") -> str | None:
        """What is to be shown of an event at a time: `said`, with how often it came; None where that was shown
        lately, and meant the same but for the numbers."""
        if event not in COUNTED:
            return said
        key = event, shorten_ids(said), re.sub(r"\d+", "", means)
        self._known = {known: one for known, one in self._known.items() if now < one.last + FORGOTTEN}
        one = self._known.get(key)
        if one is None:
            self._known[key] = _Repeated(1, now, now, now)
            return said
        times = one.times + 1
        is_shown = now >= one.shown + FORGOTTEN or str(times).strip("0") == "1"
        self._known[key] = _Repeated(times, one.since, now, now if is_shown else one.shown)
        return f"{said} | Times: {times:,} since {local_time(one.since)}" if is_shown else None


class _Repeated(NamedTuple):
    times: int
    since: datetime
    last: datetime
    shown: datetime


class TradeLog:
    """Events in local time, to the console and to trade.log. `now` tells the time; what stays the same is told
    only in `detail`. What goes wrong again and again is counted, and each change of the local time's offset is
    marked, so that an hour that comes twice can be told apart."""

    def __init__(self, logger: logging.Logger, now: Callable[[], datetime], detail: bool = False) -> None:
        self._logger, self._now = logger, now
        self._hidden = frozenset() if detail else UNCHANGED
        self._repeats = Repeats()
        self._zone = ""

    def write(self, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        """Write one event: `fields` are `Key: value` pairs, or a sentence; `details` go below it."""
        if event in self._hidden:
            return
        now, details = self._now(), list(details)
        self._mark_zone(now)
        text = fields if isinstance(fields, str) else log_format.pairs(fields)
        said = self._repeats.counted(event, text, now, details[-1] if details else "")
        if said is not None:
            self._logger.info(log_format.entry(now, event, said, details))

    def _mark_zone(self, now: datetime) -> None:
        zone, before = log_format.time_zone(now), self._zone
        self._zone = zone
        if before and before != zone:
            changed = {"Clock": f"times are {zone} from here on, {before} before"}
            self._logger.info(log_format.entry(now, "INFO", changed))
