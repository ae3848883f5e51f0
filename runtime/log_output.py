"""Write the log to the terminal and to files, which are rotated when full.

Promise:
- Logging never stops or delays trading: not a closed or held (Ctrl-S) terminal, not a full disk, not a log file
  that was moved away.
- The files are `trade.log` and, if wanted, `trade.jsonl` with the same events as JSON objects. Each outlives the
  other's troubles.
- Lines that could not be written are counted, and the next line that is written shows their number. A log file
  that cannot be written is reported on the terminal.
- Every line is written at once and whole, so that `tail -F` can follow the log through all of this.
"""

from __future__ import annotations

import logging
import os
import re
import select
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, cast

from exchange.errors import ConfigError
from exchange.json_fields import shorten_ids
from runtime import log_format
from runtime.log_format import Entry

SIZE, FILES = 10_000_000, 5
"""Defaults: bytes after which a log is rotated, and rotated files that are kept."""


class Console(logging.Handler):
    """Writes to the terminal while it accepts text; the file has every line.

    A closed terminal neither stops the bot nor fills another stream with errors. A terminal that accepts no text
    does not delay the bot."""

    def __init__(self) -> None:
        super().__init__()
        self._left_out = 0
        self._terminal = _terminal()

    def emit(self, record: logging.LogRecord) -> None:
        self.show(self.format(record))

    def show(self, text: str) -> None:
        """Print, if the terminal accepts text now."""
        entry = text
        if self._left_out:
            entry = f"\n  └─ {self._left_out} entries are missing here: the terminal accepted no text\n{text}"
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
        """Print all of `text`.

        Raises `BlockingIOError` if there is no room; a part may be printed then."""
        if self._terminal is not None:
            entry = f"{text}\n".encode(sys.stdout.encoding, "replace")
            if os.write(self._terminal, entry) < len(entry):
                raise BlockingIOError
            return
        if not _takes_text():
            raise BlockingIOError
        try:
            print(text, flush=True)
        except UnicodeEncodeError:  # a terminal without box-drawing characters
            print(text.encode("ascii", "replace").decode(), flush=True)


def _terminal() -> int | None:
    """Open the terminal a second time, for writes that never wait.

    The terminal's own handle is shared with the shell, which expects it to wait. Returns None if output goes
    elsewhere, or on Windows."""
    try:
        name = os.ttyname(sys.stdout.fileno())
        return os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError, AttributeError):
        return None


def _takes_text() -> bool:
    """Whether the output, such as a pipe, accepts text now.

    True if that cannot be determined."""
    try:
        return bool(select.select([], [sys.stdout], [], 0)[1])
    except (OSError, ValueError):
        return True


Line = Callable[[logging.LogRecord, int], str]
"""Formats a record for a file, after so many that could not be written to it."""


def text_line(record: logging.LogRecord, missing: int) -> str:
    """The record as a text, below a line about missing ones."""
    text = record.getMessage()
    return f"  └─ {missing} entries are missing here: the log could not be written\n{text}" if missing else text


def json_line(record: logging.LogRecord, missing: int) -> str:
    """The JSON object of a record whose message is an `Entry`."""
    return cast(Entry, record.msg).as_json(missing)


class LogFile(logging.Handler):
    """A log file of up to `size` bytes, unless a single entry is longer.

    A full file is renamed to `.1`, that one to `.2` and so on; `files` older ones are kept. `warn` reports, once,
    that the file cannot be written. `line` formats its entries."""

    def __init__(
        self, path: Path, size: int, files: int, warn: Callable[[str], None], line: Line = text_line
    ) -> None:
        super().__init__()
        self._path, self._size, self._files, self._warn, self._line = path, size, files, warn, line
        self._lost = 0
        self._cannot_turn = False
        self._file: int | None = self._opened()

    def emit(self, record: logging.LogRecord) -> None:
        entry = f"{self._line(record, self._lost)}\n"
        try:
            self._write(entry.encode(errors="replace"))
        except OSError as error:
            self._lost += 1
            if self._lost == 1:
                self._warn(
                    f"WARNING: {self._path} cannot be written ({error.strerror}). Trading goes on. What the file "
                    "misses appears on the terminal, if it accepts it. Free disk space, or make the file writable"
                )
        else:
            self._lost = 0

    def close(self) -> None:
        self._drop()
        super().close()

    def _write(self, entry: bytes) -> None:
        """Write an entry in one piece.

        Raises `OSError`. If half of it was written, the next write begins with a line break."""
        if self._file is not None and not self._is_in_place(self._file):
            self._drop()
        if self._file is None:
            self._file = self._opened()
        if self._size < os.fstat(self._file).st_size + len(entry):
            self._turn()
        if os.write(self._file, entry) < len(entry):
            self._drop()  # the next opening sees that the file ends within a line
            raise OSError(0, "no space left for all of a line")

    def _turn(self) -> None:
        """Rotate the file. If it cannot be renamed, warn once and let it grow."""
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._files + 1))]
        self._drop()
        try:
            for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
                if newer.exists():
                    newer.replace(older)
        except OSError as error:
            if not self._cannot_turn:
                self._warn(f"WARNING: {self._path} cannot be rotated ({error.strerror}), so it keeps growing")
            self._cannot_turn = True
        else:
            self._cannot_turn = False
        self._file = self._opened()

    def _opened(self) -> int:
        """Open the file, ready for a new line. Raises `OSError`."""
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
        """Whether the file still has its name.

        You, or a log rotation program, may have moved it."""
        try:
            named, ours = self._path.stat(), os.fstat(file)
        except FileNotFoundError:
            return False
        return (named.st_ino, named.st_dev) == (ours.st_ino, ours.st_dev)

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def json_path(path: Path) -> Path:
    """The file with the JSON objects of the log `path`."""
    return path.with_suffix(".jsonl")


def open_log(path: Path, size: int = SIZE, files: int = FILES, with_json: bool = False) -> logging.Logger:
    """Create the logger, which writes to the console and appends to `path`.

    `with_json`: it also writes JSON objects to `json_path(path)`, and each message must be an `Entry`. Each file
    is rotated after `size` bytes; `files` older ones are kept. Raises a `ConfigError` if one cannot be written
    now."""
    logger = logging.Logger("trade", logging.INFO)
    console = Console()
    logger.addHandler(console)
    lines = {path: text_line} | ({json_path(path): json_line} if with_json else {})
    for file, line in lines.items():
        try:
            logger.addHandler(LogFile(file, size, files, console.show, line))
        except OSError as error:
            for handler in logger.handlers:
                handler.close()
            way_out = "set LOG_JSON = False" if file != path else "run a copy of the bot in a folder that is"
            raise ConfigError(
                f"The log {file} cannot be written ({error.strerror}). The bot does not start without a log: "
                f"make the file and its folder writable, or {way_out}."
            ) from None
    return logger


COUNTED = frozenset({"ERROR", "SKIP POSITION", "REFUSED ORDER"})

UNCHANGED: frozenset[str] = frozenset({"KEEP ORDER"})
"""Events about something that did not change."""

FORGOTTEN = timedelta(hours=1)
"""An entry that was not repeated for this long counts as new."""


class Repeats:
    """Counts entries that repeat.

    An entry of `COUNTED` that recurs in every cycle is shown the first time, the 10th, the 100th … time, and once
    an hour."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], _Repeated] = {}

    def counted(self, entry: Entry) -> Entry | None:
        """Return the entry to show: `entry`, with the number of its repeats.

        Returns None if it was shown recently with the same last detail; numbers in the detail are ignored."""
        if entry.event not in COUNTED:
            return entry
        now, means = entry.when, entry.details[-1] if entry.details else ""
        key = entry.event, shorten_ids(entry.said), re.sub(r"\d+", "", means)
        self._known = {known: one for known, one in self._known.items() if now < one.last + FORGOTTEN}
        one = self._known.get(key)
        if one is None:
            self._known[key] = _Repeated(1, now, now, now)
            return entry
        times = one.times + 1
        is_shown = now >= one.shown + FORGOTTEN or str(times).strip("0") == "1"
        self._known[key] = _Repeated(times, one.since, now, now if is_shown else one.shown)
        return replace(entry, times=times, since=one.since) if is_shown else None


class _Repeated(NamedTuple):
    times: int
    since: datetime
    last: datetime
    shown: datetime


class TradeLog:
    """Writes events in local time to the console and to the log files.

    `now` returns the time. Events about something unchanged are written only with `detail`. Repeated errors are
    counted. Each change of the local time's offset is marked, because the clock shows an hour twice then."""

    def __init__(self, logger: logging.Logger, now: Callable[[], datetime], detail: bool = False) -> None:
        self._logger, self._now = logger, now
        self._hidden = frozenset() if detail else UNCHANGED
        self._repeats = Repeats()
        self._zone = ""

    def write(self, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        """Write one event.

        `fields` are `Key: value` pairs, or a sentence; `details` go below."""
        if event in self._hidden:
            return
        now = self._now()
        self._mark_zone(now)
        entry = self._repeats.counted(log_format.entry(now, event, fields, details))
        if entry is not None:
            self._logger.info(entry)

    def _mark_zone(self, now: datetime) -> None:
        zone, before = log_format.time_zone(now), self._zone
        self._zone = zone
        if before and before != zone:
            changed = {"Clock": f"times are {zone} from here on, {before} before"}
            self._logger.info(log_format.entry(now, "INFO", changed))
