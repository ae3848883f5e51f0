"""What `doctor` says about an error of the exchange, with what you can do.

Promise:
- A refused key, and something that refuses in the exchange's place, are told apart.
"""

from __future__ import annotations

from clients import Environment
from exchange.clock import how_to_set
from exchange.errors import ExchangeError, Intercepted, NotSent, Unauthorized
from exchange.interception import NO_SUCH_PATH

_IN_BETWEEN = (
    "It may be a country that the exchange does not serve, a VPN, a company's firewall, or a login page of this "
    "network. Open the exchange's website in a browser on this machine, and sign in if a page asks for it; try "
    "without the VPN, or on another network"
)


def explained(error: ExchangeError, environment: Environment) -> str:
    """An error with its remedy. For a refused key: what may be wrong with it."""
    if isinstance(error, Intercepted) and error.status not in NO_SUCH_PATH:
        said = f"{error.status}: {error.message}"
        return f"something between you and the exchange refuses, or answers in its place ({said}). {_IN_BETWEEN}"
    if isinstance(error, Unauthorized):
        return _refused_key(error, environment)
    return str(error)


def may_be_misaddressed(error: ExchangeError) -> bool:
    """Whether the address in `.env` may be the cause of an error."""
    return isinstance(error, NotSent) or error.status in NO_SUCH_PATH or 300 <= error.status < 400


def _refused_key(error: Unauthorized, environment: Environment) -> str:
    key_id, key_file = f"{environment.value}_KEYID", f"{environment.value}_KEYFILE"
    said = f"{error.code} {error.details}"
    if error.by_clock:
        return f"refused: this machine's clock is wrong, and could not be corrected. Set it{how_to_set()}"
    if "INCORRECT_API_KEY_SIGNATURE" in said:
        remedy = "Put both lines of the same API key into .env"
        return f"refused: the key in {key_file} is not the private key of the id in {key_id}. {remedy}"
    if "NOT_FOUND" in said:
        remedy = "Put the lines that this simulator printed into .env"
        if environment is not Environment.SIM:
            remedy = f"Is it the other environment's? Those keys are separate: make a {environment.value} key"
        return f"refused: this exchange does not know the id in {key_id}. {remedy}"
    return str(error)
