"""`python -m simulator`: serve an exchange on a loopback port, at wall-clock speed, for any client."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from simulator.api import ROOT, Api, Request
from simulator.embedded import SEED
from simulator.keyfile import UnusableKey, key_id, read_or_make
from simulator.opening import open_exchange
from simulator.recorded import UnusableBooks

HOST = "127.0.0.1"
LARGEST_BODY = 1_000_000


class Handler(BaseHTTPRequestHandler):
    """One connection. Requests of all connections are answered one after the other."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # an answer leaves in one piece: in two, the second would wait for the first's receipt
    server: SimulatorServer

    def _answer(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), LARGEST_BODY)
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query, headers, self.rfile.read(length))
        with self.server.turn:
            answer = self.server.api.handle(request, time.time())
        payload = answer.payload
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  (the base class looks for these names)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: who wants to see requests looks at the client's log."""


class SimulatorServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, api: Api) -> None:
        self.api = api
        self.turn = threading.Lock()
        super().__init__((HOST, port), Handler)


def serve(arguments: argparse.Namespace) -> int:
    api = Api(open_exchange(time.time(), arguments.seed, arguments.books))
    key = read_or_make(arguments.key_file)
    name = key_id(key)
    api.keys[name] = key.public_key()
    with SimulatorServer(arguments.port, api) as server:
        url = f"http://{HOST}:{server.server_port}{ROOT}"
        print(f"A simulated exchange with {len(api.exchange.markets):,} markets (seed {arguments.seed}) at {url}")
        print("No real money is in it. It forgets everything when it stops: Ctrl-C.\n")
        for environment in ("SIM", "DEMO"):
            print(f"# in .env, for env = Environment.{environment}:")
            print(f"{environment}_URL={url}")
            print(f"{environment}_KEYID={name}")
            print(f"{environment}_KEYFILE={arguments.key_file.resolve()}\n", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")
    return 0


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65_536):
        raise argparse.ArgumentTypeError("must be a port, 0 to 65535")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Serve a simulated exchange to any client on this machine, at wall-clock speed.",
        epilog="example: python -m simulator --port 8080",
    )
    parser.add_argument(
        "--port", type=_port, default=8080, help="loopback port (default 8080; 0 picks a free one)"
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help=f"the same seed is the same market (default {SEED})"
    )
    parser.add_argument("--books", type=Path, metavar="FILE", help="start from recorded order books (see README)")
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", default=Path("simulator-key.pem"),
        help="where the customer's private key is kept, made if absent (default simulator-key.pem)",
    )  # fmt: skip
    try:
        return serve(parser.parse_args())
    except (UnusableBooks, UnusableKey) as error:
        print(f"simulator: {error}", file=sys.stderr)
    except OSError as error:
        print(f"simulator: the port cannot be opened ({error.strerror}); try another --port", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
