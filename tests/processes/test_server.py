"""The served exchange, as a client in any language meets it: over a real socket, from a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from exchange.signing import Signer
from tests.support.processes import simulator
from tests.support.raw_client import ORDERS, ROOT, Ed25519Signer, RawClient, RequestSigner, create_body

ALONE = ("--without", "informed,noise,rivals,sweeps")
"""Nobody trades but the client: what it does not do does not happen."""


class Client(RawClient):
    """A plain one, at a market that is open for days. `base` is what the simulator printed."""

    @property
    def host(self) -> str:
        return self.base.removesuffix(ROOT)

    def create(self, name: str = "", timeout: float = 5.0, **changed: Any) -> requests.Response:
        """A bid for a contract, far from the best."""
        body = create_body(self.ticker, price="0.0200", client_order_id=name, **changed)
        return self.send("POST", ORDERS, timeout=timeout, json=body)

    def control(self, method: str, path: str, **options: Any) -> requests.Response:
        """What the API does not have: unsigned, beside it."""
        return self.session.request(method, f"{self.host}/simulator{path}", timeout=5, **options)

    def statement(self) -> Any:
        return self.control("GET", "/statement").json()

    def orders(self) -> dict[str, str]:
        """The status of every order with a name, by the exchange's own truth."""
        return {row["client_order_id"]: row["status"] for row in self.statement()["orders"]}


Serve = Callable[..., Client]


def _signer(key_id: str, key_file: Path) -> RequestSigner:
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if isinstance(key, rsa.RSAPrivateKey):
        return Signer(key_id, key)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return Ed25519Signer(key_id, key)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts simulators on free ports, with a script of faults; they are killed at the end, and none of them may
    have complained. The clients go through no proxy."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, faults: list[dict[str, Any]] | None = None) -> Client:
        key_file = tmp_path / "key.pem"
        if faults is not None:
            script = tmp_path / "faults.json"
            script.write_text(json.dumps(faults))
            arguments = (*arguments, "--faults", str(script))
        process = simulator("--port", "0", "--programs", "20", "--key-file", str(key_file), *ALONE, *arguments)
        running.append(process)
        assert process.stdout is not None
        printed = ""
        while "DEMO_KEYFILE" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        told = dict(re.findall(r"^SIM_(\w+)=(.+)$", printed, re.MULTILINE))
        session = requests.Session()
        session.trust_env = False
        markets = session.get(f"{told['URL']}/markets?limit=1000", timeout=5).json()["markets"]
        ticker = next(market["ticker"] for market in markets if market["ticker"].endswith("-CAPPED"))
        signer = _signer(told["KEYID"], key_file)
        return Client(told["URL"], signer, session, lambda: datetime.now(timezone.utc), ticker, timeout=5.0)

    yield begin
    for process in running:
        process.kill()
        output, _ = process.communicate()
        assert "Traceback" not in output, output


def test_faults_on_a_real_socket_are_as_the_script_says(serve: Serve) -> None:
    """A reset, a timeout and a refused connection reach the client as on a real network. Only orders lost after
    the exchange acted rest, and the server goes on serving."""
    client = serve(
        faults=[
            {"do": "reset_before", "on": f"POST {ORDERS}", "times": 1},
            {"do": "reset_after", "on": f"POST {ORDERS}", "skip": 1, "times": 1},
            {"do": "timeout_before", "on": f"POST {ORDERS}", "skip": 2, "times": 1},
            {"do": "timeout_after", "on": f"POST {ORDERS}", "skip": 3, "times": 1},
            {"do": "refused", "on": f"POST {ORDERS}", "skip": 4, "times": 1},
        ]
    )
    by_hand = client.orders()
    for name in ("reset-before", "reset-after"):
        with pytest.raises(requests.exceptions.ConnectionError, match="Connection reset by peer"):
            client.create(name)
    for name in ("timeout-before", "timeout-after"):
        began = time.monotonic()
        with pytest.raises(requests.exceptions.ReadTimeout):
            client.create(name, timeout=0.5)
        assert time.monotonic() - began >= 0.5
    with pytest.raises(requests.exceptions.ConnectionError):
        client.create("refused")
    assert client.orders() == by_hand | {"reset-after": "resting", "timeout-after": "resting"}
    assert client.create("reset-before").status_code == 201, "it goes on serving"
    assert client.create("timeout-after").json()["error"]["code"] == "order_already_exists"


def test_what_is_spoilt_on_its_way_arrives_whole_as_http(serve: Serve) -> None:
    client = serve(
        faults=[
            {"do": "truncated", "on": f"POST {ORDERS}", "times": 1},
            {"do": "503_html", "on": f"POST {ORDERS}", "skip": 1, "times": 1},
            {"do": "503", "on": f"POST {ORDERS}", "skip": 2, "times": 1, "acted": True},
            {"do": "latency", "on": f"POST {ORDERS}", "skip": 3, "times": 1, "seconds": 0.4},
            {"do": "latency", "on": f"POST {ORDERS}", "skip": 4, "times": 1, "seconds": 0.4},
            {"do": "clock_jump", "on": "GET /portfolio/balance", "seconds": 3_600, "times": 1},
        ]
    )
    by_hand = client.orders()
    half = client.create("half")
    assert half.status_code == 201
    assert int(half.headers["Content-Length"]) == len(half.content)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        half.json()
    page = client.create("page")
    assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html")
    assert page.text.startswith("<html>")
    assert client.create("acted").json()["trading_active"] is True
    assert client.create("late").elapsed.total_seconds() >= 0.4
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.create("too-late", timeout=0.1)
    resting = dict.fromkeys(("half", "acted", "late", "too-late"), "resting")
    assert client.orders() == by_hand | resting
    jumped = client.send("GET", "/portfolio/balance")
    assert jumped.json()["error"]["code"] == "header_timestamp_expired"
    assert client.send("GET", "/portfolio/balance").status_code == 200


def test_the_statement_accounts_for_every_cent(serve: Serve) -> None:
    """Journal, cash, balance and collateral of the account agree. The clock runs with real time, so
    advancing it is refused with a hint at --step."""
    client = serve("--reading", "spec", "--balance", "gross")
    client.create("mine", count="10.00")
    statement = client.statement()
    assert {"journal", "rewards", "orders", "fills", "settlements", "cash", "totals"} <= set(statement)
    cash = sum(map(Decimal, statement["cash"].values()))
    assert cash == sum(Decimal(entry["amount"]) for entry in statement["journal"])
    balance = Decimal(client.send("GET", "/portfolio/balance").json()["balance_dollars"])
    tied = client.send("GET", "/portfolio/summary/total_resting_order_value").json()
    collateral = sum(Decimal(row["balance"]) for row in tied["resting_order_value_breakdown"])
    assert collateral >= Decimal("0.20")
    assert balance == cash, "told to be gross"
    assert sum(map(Decimal, statement["free"].values())) + collateral == cash
    assert sum(map(Decimal, statement["reserved"].values())) == collateral
    first, second = (client.control("GET", "/time").json() for _ in range(2))
    assert abs(first["unix"] - time.time()) < 5
    assert second["unix"] > first["unix"]
    assert (first["stands_still"], second["stands_still"]) == (False, False)
    refused = client.control("POST", "/advance", json={"seconds": 60})
    assert refused.status_code == 409
    assert "--step" in refused.json()["msg"]
    assert client.control("GET", "/nothing").status_code == 404


def test_a_clock_that_stands_still_moves_only_when_it_is_told_to(serve: Serve) -> None:
    client = serve("--step", faults=[{"do": "clock_jump", "on": "GET /portfolio/fills", "seconds": 7_200}])
    first, second = (client.control("GET", "/time").json() for _ in range(2))
    assert first == second
    assert first["stands_still"] is True
    assert client.create("short", expiration_time=int(first["unix"]) + 60).status_code == 201
    assert client.create("long").status_code == 201
    advance = client.control("POST", "/advance", json={"seconds": 58.5})
    assert advance.json()["unix"] == first["unix"] + 58.5
    assert (client.orders()["short"], client.orders()["long"]) == ("resting", "resting")
    client.control("POST", "/advance", json={"seconds": 2})
    assert (client.orders()["short"], client.orders()["long"]) == ("canceled", "resting")
    assert client.control("GET", "/time").json()["unix"] == first["unix"] + 60.5
    bodies: list[Any] = [{"seconds": -1}, {"seconds": "60"}, {"seconds": True}, {"seconds": 1e12}, {}, []]
    for bad in bodies:
        assert client.control("POST", "/advance", json=bad).status_code == 400
    half = client.control("POST", "/advance", data="{", headers={"Content-Type": "application/json"})
    assert half.status_code == 400
    assert client.control("GET", "/time").json()["unix"] == first["unix"] + 60.5
    client.control("POST", "/advance", json={"seconds": 3_600})
    assert client.send("GET", "/portfolio/orders").status_code == 200, "a client signs with the wall's clock"
    jumped = client.send("GET", "/portfolio/fills")
    assert jumped.json()["error"]["code"] == "header_timestamp_expired"
    assert client.send("GET", "/portfolio/orders").status_code == 200


def test_requests_that_the_api_does_not_allow_are_refused(serve: Serve) -> None:
    """The server refuses HEAD, OPTIONS, a body in chunks and a huge length, which HTTP allows. It goes on
    serving after that."""
    market = serve().base + "/exchange/status"
    assert requests.head(market, timeout=5).status_code == 405
    assert requests.options(market, timeout=5).status_code == 405
    assert requests.post(market, data=iter([b"{}", b"{}"]), timeout=5).status_code == 411, "sent in chunks"
    too_long = {"Content-Length": "9" * 5_000}
    assert requests.post(market, headers=too_long, timeout=5).status_code == 413
    assert requests.get(market, timeout=5).status_code == 200


def test_an_ed25519_key_that_the_simulator_made_opens_it(serve: Serve) -> None:
    """The kind of key that the exchange's website gives out unless it is asked for another."""
    assert serve("--ed25519").send("GET", "/portfolio/balance").status_code == 200


def test_both_switches_of_the_rule_reach_a_served_exchange(serve: Serve) -> None:
    """All programs end at once: none is listed any more."""
    client = serve("--top-tick", "disqualified", "--programs-end", "2026-01-01")
    listed = client.send("GET", "/incentive_programs?status=active&type=liquidity").json()
    assert listed["incentive_programs"] == []


def test_an_unusable_argument_is_one_clear_line_and_exit_2(tmp_path: Path) -> None:
    """The last line of the output says what is wrong with the argument, and no traceback is shown."""
    (tmp_path / "odd.json").write_text('[{"do": "429"}, {"do": "earthquake"}]')
    cases = [
        (["--faults", "nowhere.json"], "simulator: nowhere.json cannot be read"),
        (["--faults", str(tmp_path / "odd.json")], "rule 2: unknown fault 'earthquake'"),
        (["--without", "nobody"], "argument --without: choose from informed, noise, rivals, sweeps"),
        (["--programs", "0"], "argument --programs: must be a number from 1"),
        (["--top-tick", "paid"], "argument --top-tick: invalid choice: 'paid'"),
        (["--programs-end", "soon"], "argument --programs-end: must be a date such as 2027-01-01"),
    ]
    processes = [
        simulator("--port", "0", "--key-file", str(tmp_path / "k.pem"), *arguments) for arguments, _ in cases
    ]
    for process, (arguments, told) in zip(processes, cases, strict=True):
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 2, arguments
        assert told in output.splitlines()[-1]
        assert "Traceback" not in output
        if not output.startswith("usage:"):
            assert len(output.splitlines()) == 1


def test_a_port_that_is_taken_is_one_clear_line_too(serve: Serve, tmp_path: Path) -> None:
    taken = serve().host.rpartition(":")[2]
    second = simulator("--port", taken, "--programs", "1", "--key-file", str(tmp_path / "key.pem"))
    output, _ = second.communicate(timeout=20)
    assert second.returncode == 2
    assert output.splitlines() == [
        "simulator: the port cannot be opened (Address already in use); try another --port"
    ]
