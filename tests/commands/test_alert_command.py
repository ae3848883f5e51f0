"""`main.py alert --test`: whoever set up alerts learns whether they arrive, before a night on which they must."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import market_bot
from commands import alert
from runtime.console import Checklist
from tests.support.alert_server import AlertServer, alert_server
from tests.support.bench import Said

Typed = Callable[..., Said]


@pytest.fixture
def server() -> Iterator[AlertServer]:
    with alert_server() as found:
        yield found


def dotenv(**variables: str) -> None:
    market_bot.DOTENV_FILE.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))


def test_each_receiver_is_tried_and_told(typed: Typed, server: AlertServer) -> None:
    dotenv(
        ALERT_URL=server.url("/ok/secret"), ALERT_FORMAT="json", ALERT_COMMAND="true",
        HEARTBEAT_URL=server.url("/ok/beat"),
    )  # fmt: skip
    said = typed("alert", "--test")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "  ok    ALERT_URL (127.0.0.1): took the test alert",
        "  ok    ALERT_COMMAND (true): took the test alert",
        "  ok    HEARTBEAT_URL (127.0.0.1): was asked",
    ]
    posted, beat = server.got
    assert posted.json["event"] == "TEST"
    assert "[TEST] A test alert of the bot in " in posted.json["text"]
    assert beat.path == "/ok/beat"


def test_one_that_fails_is_named_and_the_others_are_tried(typed: Typed, server: AlertServer) -> None:
    dotenv(
        ALERT_URL=server.url("/500/secret"), ALERT_FORMAT="slack", ALERT_COMMAND="false",
        HEARTBEAT_URL=server.url("/ok/beat"),
    )  # fmt: skip
    said = typed("alert", "--test")
    assert said.code == 1
    assert said.out.splitlines() == [
        "  FAIL  ALERT_URL (127.0.0.1): it answers 500",
        "  FAIL  ALERT_COMMAND (false): it ended with exit code 1",
        "  ok    HEARTBEAT_URL (127.0.0.1): was asked",
    ]
    assert "secret" not in said.out + said.err


def test_nothing_to_try_is_one_line(typed: Typed) -> None:
    said = typed("alert", "--test")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("main: No alert goes anywhere: set ALERT_URL, ALERT_COMMAND or HEARTBEAT_URL")


def test_nothing_is_sent_without_the_option(typed: Typed, server: AlertServer) -> None:
    dotenv(HEARTBEAT_URL=server.url("/ok/beat"))
    assert typed("alert").code == 2
    assert server.got == []


def test_the_doctor_tells_where_alerts_go_and_sends_none(
    server: AlertServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def line() -> str:
        alert.check(Checklist(), market_bot.DOTENV_FILE)
        return capsys.readouterr().out

    assert "none go anywhere" in line()
    dotenv(HEARTBEAT_URL=server.url("/ok/secret"), ALERT_COMMAND="true")
    assert "ok    Alerts        ALERT_COMMAND (true), HEARTBEAT_URL (127.0.0.1); nothing was sent." in line()
    dotenv(ALERT_FORMAT="slack")
    assert "FAIL  Alerts        ALERT_FORMAT is set, but ALERT_URL is not" in line()
    assert server.got == []
    market_bot.DOTENV_FILE.write_bytes(b"\xff")
    assert "-     Alerts        not checked: it needs .env" in line()
