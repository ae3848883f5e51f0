"""The real processes on a network that fails them: a firewall, a login page, certificates and proxies."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.harness import read_variables
from simulator.people import EVERYBODY
from tests.support.network import BLOCKED, LOGIN, Authority, Front, front, page, proxy
from tests.support.processes import killed_at_the_end, python, read, simulator, stop, wait_for
from tests.support.raw_client import sell_all

HOST = "exchange.invalid"
QUIET = ("--without", ",".join(EVERYBODY))
PASSWORD = "hush-password"  # noqa: S105
QUICK = (
    "import market_bot as m, exchange.transport as t; from bot import recovery; m.WAIT_TIME = 3; "
    "recovery.RETRY_SECONDS = t.PATIENCE = 0.5; m.env = m.Environment.DEMO; raise SystemExit(m.main())"
)
"""A bot on DEMO that tries again soon."""

DOCTOR = (
    "import market_bot as m, main, exchange.transport as t; t.PATIENCE = 0.5; m.env = m.Environment.DEMO; "
    "raise SystemExit(main.doctor())"
)

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def exchange() -> Iterator[dict[str, str]]:
    """A simulator, by the variables that it prints."""
    served = simulator("--port", "0", "--ed25519", "--programs", "12", "--tier", "expert", *QUIET)
    variables = read_variables(served)
    sell_all(variables)
    yield {name.partition("_")[2]: value for name, value in variables.items()}
    served.kill()
    served.communicate()


@pytest.fixture
def network(clone: Path, authority: Authority, exchange: dict[str, str]) -> Iterator[Front]:
    """An https server before the simulator. The clone's `.env` leads to it."""
    with front(authority.issue("localhost"), urlsplit(exchange["URL"]).port or 0) as served:
        write_env(clone, exchange, f"https://localhost:{served.port}")
        yield served


def write_env(clone: Path, exchange: dict[str, str], address: str) -> None:
    values = exchange | {"URL": f"{address}/trade-api/v2"}
    (clone / ".env").write_text("".join(f"DEMO_{name}={value}\n" for name, value in values.items()))


@pytest.fixture
def start(clone: Path) -> Iterator[Start]:
    """Starts Python in the clone. Keyword arguments are variables of the terminal."""
    with killed_at_the_end() as running:

        def begin(script: str, **variables: str) -> subprocess.Popen[str]:
            running.append(python(clone, "-c", f"import os; os.environ.update({variables!r}); {script}"))
            return running[-1]

        yield begin


def test_a_firewall_and_a_lost_ca_file_end_no_bot(
    clone: Path, network: Front, start: Start, authority: Authority, tmp_path: Path
) -> None:
    """A company's firewall refuses for a while, then the file with its certificate is away for a while. The bot
    goes on trading after each. Ctrl-C without the file says what may rest."""
    bundle = tmp_path / "company.pem"
    bundle.write_bytes(authority.file.read_bytes())
    bot = start(QUICK, REQUESTS_CA_BUNDLE=str(bundle))
    log = clone / "trade.log"

    def since(mark: int, text: str) -> Callable[[], bool]:
        return lambda: text in read(log)[mark:]

    wait_for(since(0, "[OPEN ORDER]"), 30, "first order")
    mark = len(read(log))
    network.instead = BLOCKED
    wait_for(since(mark, "[OUTAGE]"), 30, "outage")
    assert "403 that does not come from the exchange's API: Access denied" in read(log)[mark:]
    assert bot.poll() is None
    network.instead = None
    wait_for(since(mark, "[OPEN ORDER]"), 30, "order after the firewall")
    mark = len(read(log))
    bundle.unlink()
    missing = "the file of trusted certificates cannot be used (put back the file that REQUESTS_CA_BUNDLE names"
    wait_for(since(mark, missing), 30, "error")
    bundle.write_bytes(authority.file.read_bytes())
    mark = len(read(log))
    wait_for(since(mark, "[CYCLE]"), 30, "cycle with the file")
    assert bot.poll() is None
    bundle.unlink()
    code, seconds = stop(bot)
    output, _ = bot.communicate()
    assert code == 3, f"exit {code} after {seconds:.1f} s"
    assert "MAY STILL REST until" in output.splitlines()[-1]
    assert "[SHUTDOWN]" in output.splitlines()[-1]
    assert "Traceback" not in output


def test_a_login_page_at_the_start_is_waited_out_and_explained(
    clone: Path, network: Front, start: Start, authority: Authority
) -> None:
    """The bot goes on trying and stops clean, and sends nothing but reads. The doctor says what may be in
    between, and tells nothing of the redirect but its host."""
    network.instead = LOGIN
    bot, doctor = (
        start(QUICK, REQUESTS_CA_BUNDLE=str(authority.file)),
        start(DOCTOR, REQUESTS_CA_BUNDLE=str(authority.file)),
    )
    examined, _ = doctor.communicate(timeout=30)
    assert doctor.returncode == 1
    assert "something between you and the exchange refuses" in examined
    assert "it sends the bot on to login.hotel.example" in examined
    for may_be in ("country", "VPN", "company's firewall", "login page", "Check DEMO_URL"):
        assert may_be in examined
    wait_for(lambda: "tries again" in read(clone / "trade.log"), 20, "retry")
    came = len(network.paths)
    wait_for(lambda: len(network.paths) > came + 3, 20, "third retry")
    assert bot.poll() is None
    assert stop(bot)[0] == 0
    output, _ = bot.communicate()
    assert "[SHUTDOWN] The bot placed no order" in output
    assert "only you can fix this" not in output
    assert "private-words" not in output + examined
    assert all(path.startswith("GET ") for path in network.paths)


def test_wrong_certificates_and_proxies_are_one_line_each(
    clone: Path, authority: Authority, exchange: dict[str, str], start: Start, tmp_path: Path
) -> None:
    """A bundle that is missing and a proxy without a host end a start with exit 2 before anything is sent. A proxy
    that refuses, one that asks for a password and an unknown certificate are found by the doctor. No proxy's
    password is told."""
    (tmp_path / "empty.pem").touch()
    with front(authority.issue(HOST)) as server, proxy(server.port) as between:
        write_env(clone, exchange, f"https://{HOST}")
        address = f"http://somebody:{PASSWORD}@127.0.0.1:{between.port}"
        unknown = start(DOCTOR, HTTPS_PROXY=address)
        for name, value, told in (
            ("REQUESTS_CA_BUNDLE", "/no/such.pem", "REQUESTS_CA_BUNDLE names /no/such.pem, which cannot"),
            ("CURL_CA_BUNDLE", str(tmp_path / "empty.pem"), "CURL_CA_BUNDLE names .* holds no certificate"),
            ("HTTPS_PROXY", f"http://somebody:{PASSWORD}@", "HTTPS_PROXY is no proxy's address"),
        ):
            bot = start(QUICK, **{name: value})  # one after the other: two do not start in one folder
            said, _ = bot.communicate(timeout=30)
            assert bot.returncode == 2, said
            assert re.search(told, said)
            assert "Traceback" not in said
            assert PASSWORD not in said
        examined, _ = unknown.communicate(timeout=30)
        assert unknown.returncode == 1, examined
        assert re.search(f"certificate of {HOST} could not be verified .*REQUESTS_CA_BUNDLE", examined)
        between.answer = page(407, "")
        refused = start(DOCTOR, HTTPS_PROXY=address)
        examined, _ = refused.communicate(timeout=30)
        assert refused.returncode == 1, examined
        assert "the proxy 127.0.0.1 was reached and answered 407 (it wants a user name and a password" in examined
        assert PASSWORD not in examined
        assert server.paths == []
        assert len(between.asked) > 1
