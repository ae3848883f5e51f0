"""Connect to an environment's exchange, with keys from the terminal or `.env`.

Promise:
- Each missing or wrong variable is a `ConfigError` that names the variable and the remedy.
- The error is raised before anything is sent.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from warnings import warn

from dotenv import dotenv_values
from dotenv.main import DotEnv

from bot.network_settings import session_to
from clients import API_ROOT, Environment, KalshiHttpClient
from exchange import order_payloads
from exchange.clock import WallClock
from exchange.errors import ConfigError
from exchange.signing import Signer, key_file_warning, load_key
from ledger.account_state import AccountState
from runtime.console import HOME, in_project, progress
from simulator import embedded
from simulator.embedded import EmbeddedExchange
from simulator.listing import HOUR
from simulator.opening import MOST_PAST_HOURS, parse_past_hours

DOTENV_FILE = HOME / ".env"

REAL_MONEY_DOMAIN = ".kalshi.com"
"""The domain of the real exchange's hosts. Its test site has another domain."""

_ALWAYS_READ = ("BOT_", "ALERT_", "HEARTBEAT_")
"""What the names of variables begin with that are read in every environment."""

READ = (*(f"{one.value}_" for one in Environment), *_ALWAYS_READ)
"""What the names of the bot's variables begin with."""

_PLACEHOLDER = re.compile(r"your_\w+_api_key_id|/path/to/.*")
"""The values of .env.example that you must replace."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, with facts about its exchange.

    `about`: facts for the person. `is_private`: the exchange lives and dies with this process. `warnings`: what
    the person should fix although it works. `hold_user`: holds the lock of the account's user, whose hash it gets,
    and raises `AlreadyRuns` if another bot does. `keep_locks`: holds new locks if the files of those held were
    removed, and returns what to log; it raises `AlreadyRuns` likewise, and a `LedgerError` if it cannot and real
    money is at stake.
    `show_life`: shows monitors that a cycle ended without a failure."""

    client: KalshiHttpClient
    about: Mapping[str, str]
    is_private: bool = False
    warnings: tuple[str, ...] = ()
    hold_user: Callable[[str], None] = lambda user: None
    keep_locks: Callable[[], Mapping[str, str]] = dict
    show_life: Callable[[], None] = lambda: None


def account_state(environment: Environment, connection: Connection) -> AccountState:
    """The state of a connection's account.

    Raises `LedgerError` as `AccountState.open` does."""
    client = connection.client
    return AccountState.open(
        environment.value, order_payloads.PRIMARY_SUBACCOUNT, lambda: client.identity, connection.is_private
    )


class Variables(dict[str, str]):
    """Variables by name. The terminal's take precedence over those of `.env`.

    `terminal`: the names set in the terminal. `hidden`: the names whose value in `.env` is another."""

    def __init__(self, terminal: Mapping[str, str], dotenv: Mapping[str, str]) -> None:
        super().__init__({**dotenv, **terminal})
        self.hidden = frozenset(name for name in dotenv if dotenv[name] != self[name])
        self.terminal = frozenset(terminal)

    def place(self, name: str) -> str:
        """Where a variable is set."""
        return "this terminal" if name in self.terminal else ".env"

    def with_value(self, name: str, value: str) -> Variables:
        """A copy with another value of one variable."""
        changed = copy(self)
        changed[name] = value
        return changed

    def warnings(self, environment: Environment) -> tuple[str, ...]:
        """Warnings about an environment's variables, one sentence each, without values."""
        mine = (f"{environment.value}_", *_ALWAYS_READ)
        found = [name for name in sorted(self.hidden) if name.startswith(mine)]
        is_what = {
            name: "set differently from .env" if self[name].strip() else "set, but empty," for name in found
        }
        return tuple(
            f"{name} is {is_what[name]} in this terminal, which takes precedence. To use .env: unset {name}"
            for name in found
        )


def read_variables(dotenv_file: Path) -> Variables:
    """The variables of the terminal and any `.env`. Raises a `ConfigError`."""
    if dotenv_file.is_dir():
        raise ConfigError(
            f"{dotenv_file} is a folder. It must be a text file of lines NAME=value. Give the folder another "
            f"name, then fill in a copy of the example: {in_project('cp .env.example .env')}"
        )
    try:
        found = dotenv_values(dotenv_file) if dotenv_file.exists() else {}
        _refuse_contradictions(dotenv_file, found)
    except UnicodeDecodeError:
        raise ConfigError(
            f"{dotenv_file} is not UTF-8 text. Save it as UTF-8: it is a text file of lines NAME=value."
        ) from None
    except OSError as error:
        raise ConfigError(f"{dotenv_file} cannot be read ({error.strerror}). Make it readable to you.") from None
    return Variables(os.environ, {name: value for name, value in found.items() if value is not None})


def _refuse_contradictions(dotenv_file: Path, names: Iterable[str]) -> None:
    """Raise a `ConfigError` if a file sets a variable of the bot to two values."""
    said: dict[str, set[str | None]] = {name: set() for name in names if name.startswith(READ)}
    for name, value in DotEnv(dotenv_file, encoding="utf-8").parse() if said else ():
        if name in said:
            said[name].add(value)
    twice = [name for name, values in said.items() if len(values) > 1]
    if twice:
        raise ConfigError(
            f"{', '.join(twice)}: more than one value in {dotenv_file.name}. Leave one line, remove the others."
        )


def require_environment(environment: object) -> Environment:
    """The checked value of `env`. Raises a `ConfigError`."""
    if not isinstance(environment, Environment):
        raise ConfigError(
            "env must be Environment.SIM, Environment.DEMO or Environment.PROD, without quotes (market_bot.py)."
        )
    return environment


def is_embedded(environment: Environment, variables: Mapping[str, str]) -> bool:
    """Whether the exchange is the embedded one, of which each process has its own."""
    return environment is Environment.SIM and not variables.get("SIM_URL", "").strip()


def connect(environment: Environment, variables: Mapping[str, str]) -> Connection:
    """Connect to `environment` by its variables. Raises a `ConfigError`.

    They are `<ENV>_KEYID`, `<ENV>_KEYFILE` and the optional `<ENV>_URL`. `SIM` without `SIM_URL` is the embedded
    exchange and needs none of them; it opens after `SIM_PAST_HOURS` of trading. A relative key file is in the
    project's folder. `REQUESTS_CA_BUNDLE` may name the certificates to trust."""
    name = require_environment(environment).value
    hidden = variables.warnings(environment) if isinstance(variables, Variables) else ()
    if is_embedded(environment, variables):
        return _embedded(_past_hours(variables), hidden)
    override = variables.get(f"{name}_URL", "").strip()
    base_url = _base_url(override, environment) if override else environment.base_url
    assert base_url is not None  # noqa: S101  (only SIM has none)
    key_id = _key_id(variables, f"{name}_KEYID")
    path = _key_file(variables, f"{name}_KEYFILE")
    signer = Signer(key_id, load_key(path, f"{name}_KEYFILE"))
    open_to_others = key_file_warning(path)
    money = "REAL MONEY" if environment is Environment.PROD else "no real money is involved"
    host = urlsplit(base_url).hostname or ""
    return Connection(
        KalshiHttpClient(base_url, signer, WallClock(), session_to(base_url, variables, is_loopback(host))),
        {"Money": money, "Exchange": host},
        warnings=(*hidden, *([f"{name}_KEYFILE: {open_to_others}"] if open_to_others else ())),
    )


def open_client(environment: Environment, dotenv_file: Path = DOTENV_FILE) -> KalshiHttpClient:
    """Return a client for a script, with the keys of `.env`, as the bot reads them.

    Warns (`UserWarning`) if the key file or a variable needs attention. Raises `ConfigError` if one is missing or
    wrong.
    """
    connection = connect(environment, read_variables(dotenv_file))
    for warning in connection.warnings:
        warn(warning, stacklevel=2)
    return connection.client


def _past_hours(variables: Mapping[str, str]) -> int:
    typed = variables.get("SIM_PAST_HOURS", "").strip() or str(MOST_PAST_HOURS)
    try:
        return parse_past_hours(typed)
    except ValueError as error:
        raise ConfigError(
            f"SIM_PAST_HOURS is {typed}. It {error}: the hours that the simulated traders have traded when the "
            "exchange opens."
        ) from None


def _embedded(past_hours: int, warnings: tuple[str, ...]) -> Connection:
    exchange = embedded.start(past=past_hours * HOUR, told=progress)
    return Connection(embedded_client(exchange), exchange.about, is_private=True, warnings=warnings)


def embedded_client(exchange: EmbeddedExchange) -> KalshiHttpClient:
    """A client of an embedded exchange, with the exchange's own key and clock."""
    signer = Signer(exchange.key_id, exchange.private_key)
    return KalshiHttpClient(exchange.base_url, signer, exchange.clock, exchange.session)


def _required(variables: Mapping[str, str], variable: str, what: str) -> str:
    value = variables.get(variable, "").strip()
    if not value:
        raise ConfigError(
            f"{missing_text(variables, variable)}. Put {variable}=... into .env: {what} (see .env.example)."
        )
    if _PLACEHOLDER.fullmatch(value):
        raise ConfigError(f"{variable} still has the example's value. Replace it with {what}.")
    return value


def missing_text(variables: Mapping[str, str], variable: str) -> str:
    """How a required variable lacks a value."""
    if not isinstance(variables, Variables) or variable not in variables:
        return f"{variable} is not set"
    if variable in variables.terminal:
        return (
            f"{variable} is set, but empty, in this terminal, which takes precedence over .env: unset {variable}"
        )
    return f"{variable} has no value in .env"


def _key_file(variables: Mapping[str, str], variable: str) -> Path:
    typed = _required(variables, variable, "the path of the API key's private key file")
    return HOME / os.path.expanduser(typed)  # noqa: PTH111  (Path's own raises on an unknown user)


def _key_id(variables: Mapping[str, str], variable: str) -> str:
    key_id = _required(variables, variable, "the id that the exchange shows next to your API key")
    if not (key_id.isascii() and key_id.isprintable()) or " " in key_id:
        raise ConfigError(f"{variable} is not a key id: it has spaces or characters that a key id cannot have.")
    return key_id


def _base_url(url: str, environment: Environment) -> str:
    """Check the address that overrides an exchange's. Raises a `ConfigError`.

    Plain http is allowed only to this machine: elsewhere the orders could be read and changed on the way. The real
    exchange is refused in SIM and DEMO, because that would be unannounced real money."""
    variable = f"{environment.value}_URL"
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise ConfigError(f"{variable} is not an address: {error}") from None
    if parts.username or parts.password:
        raise ConfigError(f"{variable} must not contain a user name or a password")
    if not is_protected(parts.scheme, host):
        raise ConfigError(
            f"{variable} must begin with https:// (plain http:// only to this machine), but is {url}"
        )
    if not host or parts.query or parts.fragment or not parts.path.rstrip("/").endswith(API_ROOT):
        raise ConfigError(
            f"{variable} must be the API's base address, up to and including {API_ROOT}, but is {url}"
        )
    if environment is not Environment.PROD and f".{host}".endswith(REAL_MONEY_DOMAIN):
        raise ConfigError(
            f"{variable} leads to the exchange with real money, but env is {environment.value}: {url}"
        )
    return url.rstrip("/")


def is_protected(scheme: str, host: str) -> bool:
    """Whether nobody on the way can read what is sent.

    With https, or http to this machine."""
    return scheme == "https" or (scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
