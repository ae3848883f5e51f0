"""Where alerts go: a URL, a command, and the URL of a dead man's switch.

Promise:
- A delivery ends in time, whatever its receiver does: `TIMEOUT` and `COMMAND_SECONDS` say when. Only the time to
  look up a host's name is the operating system's own.
- A redirect is not followed, because it would tell another host.
- An error names the variable and the host. It has neither the address nor what a command printed, because both may
  hold a secret.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from html import escape
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from bot.connection import Variables, is_loopback, is_protected
from bot.network_settings import session_to
from exchange.errors import ConfigError
from exchange.http_session import CutShort
from exchange.no_answer import no_answer
from runtime.console import HOME
from runtime.spelling import near

VARIABLES = ("ALERT_URL", "ALERT_FORMAT", "ALERT_COMMAND", "ALERT_FILLS", "HEARTBEAT_URL")
URL, FORMAT, COMMAND, FILLS, HEARTBEAT = VARIABLES

TIMEOUT = (2.0, 2.0)
"""Seconds to connect, and without a byte of the answer.

A host that accepts and never answers takes 2 s, a whole delivery 7 s at most."""

COMMAND_SECONDS = 5.0
"""Seconds after which a command is ended."""


class NotDelivered(Exception):
    """A receiver did not take an alert. The text names it, and says why."""


class Receiver(Protocol):
    """Takes alerts. `name`: its variable, and its host or program."""

    name: str

    def deliver(self, event: str, text: str) -> None:
        """Deliver an event's name and text. Raises `NotDelivered`."""


class Configured(NamedTuple):
    """What the variables ask for: receivers of alerts, and a heartbeat.

    `least_fill`: contracts that a fill must exceed to be an alert, None: no fill is one."""

    receivers: tuple[Receiver, ...] = ()
    heartbeat: Heartbeat | None = None
    least_fill: Decimal | None = None


# -- the receivers ---------------------------------------------------------------------------------------------


class _Request(NamedTuple):
    """What a format sends."""

    headers: Mapping[str, str]
    body: bytes | None = None
    json: Mapping[str, object] | None = None


def _ntfy(event: str, text: str) -> _Request:
    return _Request({"Title": f"Market-making bot: {event}", "Tags": event.lower()}, body=text.encode())


_PINGS_NOBODY: dict[str, object] = {"allowed_mentions": {"parse": []}}

FORMATS: Mapping[str, Callable[[str, str], _Request]] = {
    "ntfy": _ntfy,
    "slack": lambda event, text: _Request({}, json={"text": f"*{event}* {escape(text, quote=False)}"}),
    "discord": lambda event, text: _Request({}, json={"content": f"**{event}** {text}", **_PINGS_NOBODY}),
    "json": lambda event, text: _Request({}, json={"event": event, "text": text}),
}
"""How each kind of receiver wants an alert."""


class _Host:
    """A host that takes requests, named without its address, which may hold a secret."""

    def __init__(self, variable: str, url: str, variables: Mapping[str, str]) -> None:
        self._url, self._host = url, urlsplit(url).hostname or ""
        self._session = session_to(url, variables, is_loopback(self._host))
        self.name = f"{variable} ({self._host})"

    def _send(self, method: str, request: _Request) -> None:
        try:
            with self._session.request(
                method, self._url, headers=request.headers, data=request.body, json=request.json,
                timeout=TIMEOUT, allow_redirects=False, stream=True,
            ) as response:  # fmt: skip
                status = response.status_code
        except CutShort as error:
            raise NotDelivered(f"{self.name}: {error}") from None
        except Exception as error:  # not all that the library raises is its own kind
            raise NotDelivered(str(no_answer(self.name, error, self._host))) from None
        if 300 <= status < 400:
            raise NotDelivered(f"{self.name}: it answers with a redirect ({status}); give its final address")
        if not 200 <= status < 300:
            raise NotDelivered(f"{self.name}: it answers {status}")


class UrlReceiver(_Host):
    """A host that gets each alert as a POST, in one of `FORMATS`."""

    def __init__(self, url: str, form: str, variables: Mapping[str, str]) -> None:
        super().__init__(URL, url, variables)
        self._form = FORMATS[form]

    def deliver(self, event: str, text: str) -> None:
        self._send("POST", self._form(event, text))


class Heartbeat(_Host):
    """A host that is asked after each good cycle, and tells you if it no longer is."""

    def __init__(self, url: str, variables: Mapping[str, str]) -> None:
        super().__init__(HEARTBEAT, url, variables)

    def beat(self) -> None:
        """Ask the host. Raises `NotDelivered`."""
        self._send("GET", _Request({}))


class CommandReceiver:
    """A program that gets each alert's event and text as two more arguments.

    No shell reads them. `is_quiet`: what it prints is dropped."""

    def __init__(self, words: list[str], is_quiet: bool = True) -> None:
        self._words, self._output = words, subprocess.DEVNULL if is_quiet else None
        self.name = f"{COMMAND} ({words[0].rpartition('/')[2]})"

    def deliver(self, event: str, text: str) -> None:
        try:
            process = subprocess.Popen(  # noqa: S603  (the words are yours, and no shell reads them)
                [*self._words, event, text.replace("\0", " ")], cwd=HOME, stdin=subprocess.DEVNULL,
                stdout=self._output, stderr=self._output, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NotDelivered(f"{self.name}: it cannot be started ({error.strerror})") from None
        try:
            code = process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            _end(process)
            raise NotDelivered(f"{self.name}: it took longer than {COMMAND_SECONDS:.0f} s and was ended") from None
        if code:
            raise NotDelivered(f"{self.name}: it ended with exit code {code}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)


# -- from the variables ----------------------------------------------------------------------------------------


def configured(variables: Variables, is_quiet: bool = True) -> Configured:
    """What the variables ask for. `is_quiet`: what a command prints is dropped.

    Raises one `ConfigError` that lists every problem."""
    given = {name: variables.get(name, "").strip() for name in VARIABLES}
    url, form, heartbeat = given[URL], given[FORMAT], given[HEARTBEAT]
    words, problems = _words(given[COMMAND])
    least_fill = _contracts(given[FILLS])
    problems += _unknown(variables)
    problems += [f"{name} {problem}" for name in (URL, HEARTBEAT) for problem in _address(given[name])]
    if (form and form not in FORMATS) or (url and not form):
        problems.append(f"{FORMAT} must be one of {', '.join(FORMATS)}: how {URL} wants an alert")
    if form and not url:
        problems.append(f"{FORMAT} is set, but {URL} is not: set both or none")
    if given[FILLS] and least_fill is None:
        problems.append(f"{FILLS} must be a number of contracts, 0 or more")
    if given[FILLS] and not (url or given[COMMAND]):
        problems.append(f"{FILLS} is set, but no alert goes anywhere: set {URL} or {COMMAND} too")
    if problems:
        raise ConfigError("; ".join(problems) + ". Alerts: docs/running.md. Nothing was sent.")
    receivers = [UrlReceiver(url, form, variables)] if url else []
    commands = [CommandReceiver(words, is_quiet)] if words else []
    return Configured((*receivers, *commands), Heartbeat(heartbeat, variables) if heartbeat else None, least_fill)


def _unknown(variables: Variables) -> Iterator[str]:
    """Variables of `.env` that look like those of alerts and are not, a clause each."""
    beginnings = tuple({name.partition("_")[0] + "_" for name in VARIABLES})
    for name in sorted(variables.keys() - variables.terminal - set(VARIABLES)):
        if name.upper().startswith(beginnings):
            yield f"Unknown variable {name} in .env{near(name, VARIABLES)}: fix the spelling or remove it"


def _address(url: str) -> Iterator[str]:
    """What is wrong with an address, as a clause that does not repeat it.

    Nothing if it is right or empty."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), ""
    if url and not (host and is_protected(parts.scheme, host) and url.isprintable() and " " not in url):
        yield "must be an address that begins with https:// (plain http:// only to this machine)"


def _words(command: str) -> tuple[list[str], list[str]]:
    """The words of a command, its program as a path, and what is wrong with it."""
    try:
        words = shlex.split(command)
    except ValueError:
        return [], [f"{COMMAND} has a quote that is not closed"]
    if not words:
        return [], []
    program = os.path.expanduser(words[0])  # noqa: PTH111  (Path's own raises on an unknown user)
    found = shutil.which(str(HOME / program) if "/" in program else program)
    if found is None:
        return [], [f"{COMMAND} names no program that can be run here: give its full path, and make it executable"]
    return [found, *words[1:]], []


def _contracts(text: str) -> Decimal | None:
    try:
        contracts = Decimal(text)
    except InvalidOperation:
        return None
    return contracts if contracts.is_finite() and contracts >= 0 else None
