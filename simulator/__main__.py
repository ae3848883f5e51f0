"""`python -m simulator`: serve an exchange on a loopback port in real time."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from simulator import people
from simulator.api.limits import TIERS
from simulator.api.service import ROOT, Api
from simulator.embedded import SEED
from simulator.faults import UnusableFaults, read_faults
from simulator.keyfile import UnusableKey, key_id, read_or_make
from simulator.listing import HOUR
from simulator.mishaps import Mishaps
from simulator.opening import CASH, MOST_PAST_HOURS, OTHER_CUSTOMER, PROGRAMS, open_exchange, parse_past_hours
from simulator.reading import READINGS, REAL
from simulator.recorded import UnusableBooks
from simulator.rewards import TopTick
from simulator.server import HOST, Control, SimulatorServer

MOST_PROGRAMS = 50_000


class PortTaken(Exception):
    """The simulator cannot listen on the port."""


def serve(arguments: argparse.Namespace) -> int:
    rules = read_faults(arguments.faults) if arguments.faults else []
    key = read_or_make(arguments.key_file, arguments.ed25519)
    who = people.EVERYBODY - set(arguments.without)
    exchange = open_exchange(
        time.time(), arguments.seed, arguments.books, arguments.programs, who, TopTick(arguments.top_tick),
        arguments.programs_end, READINGS[arguments.reading].with_balance(arguments.balance),
        past=arguments.past_hours * HOUR, told=_progress,
    )  # fmt: skip
    api = Api(exchange, {key_id(key): key.public_key()}, tier=TIERS[arguments.tier])
    if arguments.read_only:
        api.read_only.add(key_id(key))
    more = {"the same user": arguments.second_key_file, "another user": arguments.other_user_key_file}
    others = {whose: (file, _add_key(api, file, whose, arguments)) for whose, file in more.items() if file}
    if arguments.no_key_list:
        api.without_key_list.update(api.keys)
    control = Control(api, arguments.step)
    if arguments.step:
        # A client signs with its own clock, which keeps running while the exchange's stands still.
        api.clocks = lambda: [exchange.now, time.time()]
    front = Mishaps(api, rules) if rules else api
    try:
        listening = SimulatorServer(arguments.port, front, control)
    except OSError as error:
        raise PortTaken(f"the port cannot be opened ({error.strerror}); try another --port") from None
    with listening as server:
        url = f"http://{HOST}:{server.server_port}{ROOT}"
        count = len(exchange.markets)
        _say(f"A simulated exchange with {count:,} markets (seed {arguments.seed}) at {url}")
        _say("No real money is involved. Ctrl-C stops it, and all its state is lost.")
        _say(f"Full statement of the account: http://{HOST}:{server.server_port}/simulator/statement")
        if arguments.step:
            _say("Its clock stands still until POST /simulator/advance moves it.")
        for environment in ("SIM", "DEMO"):
            _say(f"\n# in .env, for env = Environment.{environment}:")
            _say(f"{environment}_URL={url}")
            _say(f"{environment}_KEYID={key_id(key)}")
            _say(f"{environment}_KEYFILE={arguments.key_file.resolve()}")
        for whose, (file, name) in others.items():
            _say(f"\n# or, with another key, of {whose}:\nSIM_KEYID={name}\nSIM_KEYFILE={file.resolve()}")
        server.serve_forever()
    return 0


def _progress(text: str) -> None:
    """Show the progress of the opening on a terminal, in one line that is overwritten."""
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="\r", file=sys.stderr, flush=True)


def _add_key(api: Api, file: Path, whose: str, arguments: argparse.Namespace) -> str:
    """Let another key in. Returns its id."""
    key = read_or_make(file, arguments.ed25519)
    api.keys[key_id(key)] = key.public_key()
    if whose == "another user":
        api.exchange.open_account(OTHER_CUSTOMER, CASH)
        api.owners[key_id(key)] = OTHER_CUSTOMER
    return key_id(key)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65_536):
        raise argparse.ArgumentTypeError("must be a port, 0 to 65535")
    return int(text)


def _programs(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= MOST_PROGRAMS):
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {MOST_PROGRAMS:,}")
    return int(text)


def _hours(text: str) -> int:
    try:
        return parse_past_hours(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _midnight(text: str) -> float:
    """00:00 UTC of a date, in Unix seconds."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError("must be a date such as 2027-01-01") from None


def _people(text: str) -> list[str]:
    unknown = set(text.split(",")) - people.EVERYBODY
    if unknown:
        raise argparse.ArgumentTypeError(f"choose from {', '.join(sorted(people.EVERYBODY))}")
    return text.split(",")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Serve a simulated exchange to any client on this machine, in real time.",
        epilog="example: python -m simulator --port 8080 --programs 8140 --without informed,sweeps",
    )
    parser.add_argument(
        "--port", type=_port, default=8080, help="loopback port (default 8080; 0 picks a free one)"
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help=f"random seed; the same seed gives the same market (default {SEED})"
    )
    parser.add_argument(
        "--programs", type=_programs, default=PROGRAMS, metavar="N",
        help=f"liquidity programs that run on the board (default {PROGRAMS})",
    )  # fmt: skip
    parser.add_argument(
        "--books", type=Path, metavar="FILE", help="start from recorded order books (see docs/simulator.md)"
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="a script of faults (see docs/simulator.md)")
    parser.add_argument(
        "--without", type=_people, default=[], metavar="WHO",
        help=f"simulated traders to leave out: {', '.join(sorted(people.EVERYBODY))}, separated by commas",
    )  # fmt: skip
    parser.add_argument(
        "--past-hours", type=_hours, default=MOST_PAST_HOURS, metavar="N",
        help=f"hours that simulated traders have traded when it opens, 0 to {MOST_PAST_HOURS} (default "
        f"{MOST_PAST_HOURS}); on a large board that takes minutes",
    )  # fmt: skip
    parser.add_argument(
        "--top-tick", choices=[one.value for one in TopTick], default=TopTick.COUNTED.value,
        help="whether a side counts whose best bid is at the grid's top tick (default counted)",
    )  # fmt: skip
    parser.add_argument(
        "--programs-end", type=_midnight, metavar="DATE",
        help="all programs end by 00:00 UTC of this date, such as 2027-01-01; none is listed after",
    )  # fmt: skip
    parser.add_argument("--tier", choices=TIERS, default="basic", help="the account's rate limits (default basic)")
    parser.add_argument(
        "--reading", choices=READINGS, default=REAL.name,
        help="answer contested questions as the real exchange did (real, the default) or as specified (spec)",
    )  # fmt: skip
    parser.add_argument(
        "--balance", choices=("gross", "net"),
        help="whether the balance contains what resting orders reserve (gross; the default, except with "
        "--reading spec) or not (net)",
    )  # fmt: skip
    parser.add_argument(
        "--step", action="store_true", help="the clock stands still until POST /simulator/advance moves it"
    )
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", default=Path("simulator-key.pem"),
        help="file of the customer's private key, created if absent (default simulator-key.pem)",
    )  # fmt: skip
    parser.add_argument(
        "--second-key-file", type=Path, metavar="FILE", help="file of a second key of the same user"
    )
    parser.add_argument(
        "--other-user-key-file", type=Path, metavar="FILE", help="file of the key of another user with an account"
    )
    parser.add_argument(
        "--no-key-list", action="store_true", help="no key may list the keys of its user (GET /api_keys: 403)"
    )
    parser.add_argument("--read-only", action="store_true", help="the key may only read; writes are refused")
    parser.add_argument(
        "--ed25519", action="store_true", help="if a key is created, make it Ed25519 instead of RSA"
    )
    return parser.parse_args()


def _open_closed_streams() -> None:
    """Open the null device for each standard stream that is closed.

    Its number, 0 to 2, would be that of the next socket, and a message would be sent to a client."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  (never closed)


def _say(text: str) -> None:
    """Print a text at once, as long as something reads the output."""
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  (never closed)


def _stop(*_: object) -> None:
    """Handle Ctrl-C, once: two in the same moment are one wish."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    _open_closed_streams()
    arguments = _arguments()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    try:
        return serve(arguments)
    except (UnusableBooks, UnusableFaults, UnusableKey, PortTaken) as error:
        with suppress(OSError):  # the exit code tells it too
            print(f"simulator: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        _say("stopped")
        return 0


if __name__ == "__main__":
    sys.exit(main())
