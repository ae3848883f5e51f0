"""What is sent to whom, in which time, and what is told of a receiver that does not take it."""

from __future__ import annotations

import socket
import stat
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from bot.alert_receivers import COMMAND_SECONDS, TIMEOUT, Configured, NotDelivered, configured
from bot.connection import Variables
from exchange.errors import ConfigError
from tests.support.alert_server import AlertServer, alert_server
from tests.support.processes import wait_for

TEXT = "PROD 2026-11-27 19:00:00 [HALT] Reason: a <b> & é, 5 % | Then: resume"
BRIEF = 0.5
"""Seconds that a loaded machine may add."""


@pytest.fixture
def server() -> Iterator[AlertServer]:
    with alert_server() as found:
        yield found


def read(**variables: str) -> Configured:
    return configured(Variables({}, variables))


def took(step: Configured) -> tuple[str, float]:
    """What a delivery or a heartbeat fails with, and the seconds that it took."""
    began = time.monotonic()
    (receiver,) = step.receivers or (None,)
    with pytest.raises(NotDelivered) as error:
        if receiver:
            receiver.deliver("HALT", TEXT)
        elif step.heartbeat:
            step.heartbeat.beat()
    return str(error.value), time.monotonic() - began


# -- addresses -------------------------------------------------------------------------------------------------


def test_each_format_gets_what_it_reads(server: AlertServer) -> None:
    for form in ("ntfy", "slack", "discord", "json"):
        for receiver in read(ALERT_URL=server.url(f"/ok/{form}"), ALERT_FORMAT=form).receivers:
            receiver.deliver("HALT", TEXT)
    ntfy, slack, discord, plain = server.got
    assert {one.method for one in server.got} == {"POST"}
    assert (ntfy.headers["Title"], ntfy.body.decode()) == ("Market-making bot: HALT", TEXT)
    assert slack.json == {"text": "*HALT* " + TEXT.replace("&", "&amp;").replace("<b>", "&lt;b&gt;")}
    assert discord.json == {"content": f"**HALT** {TEXT}", "allowed_mentions": {"parse": []}}
    assert plain.json == {"event": "HALT", "text": TEXT}
    for one in (slack, discord, plain):
        assert one.headers["Content-Type"] == "application/json"


def test_a_heartbeat_is_a_plain_get(server: AlertServer) -> None:
    found = read(HEARTBEAT_URL=server.url("/ok/beat"))
    assert found.heartbeat is not None
    found.heartbeat.beat()
    (got,) = server.got
    assert (got.method, got.path, got.body) == ("GET", "/ok/beat", b"")


@pytest.mark.parametrize(
    ("path", "told", "seconds"),
    [
        ("/500/secret", "it answers 500", 0.0),
        ("/redirect/secret", "it answers with a redirect (302); give its final address", 0.0),
        ("/hang/secret", "no answer in time", TIMEOUT[1]),
        ("/drip/secret", "the answer took too long to come whole", TIMEOUT[1] * 1.5),
    ],
)
@pytest.mark.parametrize("variable", ["ALERT_URL", "HEARTBEAT_URL"])
def test_a_bad_host_ends_in_time_and_is_told_without_its_address(
    server: AlertServer, variable: str, path: str, told: str, seconds: float
) -> None:
    more = {"ALERT_FORMAT": "json"} if variable == "ALERT_URL" else {}
    error, lasted = took(read(**{variable: server.url(path)}, **more))
    assert error.startswith(f"{variable} (127.0.0.1): {told}")
    assert "secret" not in error
    assert seconds - 0.1 <= lasted <= seconds + BRIEF
    assert "/moved" not in [one.path for one in server.got]


def test_a_host_that_refuses_or_does_not_accept_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        error, lasted = took(read(HEARTBEAT_URL=f"http://127.0.0.1:{port}/secret"))
        assert "no connection in time" in error
        assert lasted <= TIMEOUT[0] + BRIEF
        for one in crowd:
            one.close()
    error, lasted = took(read(HEARTBEAT_URL=f"http://127.0.0.1:{port}/secret"))
    assert "no connection could be made (Connection refused)" in error
    assert lasted <= BRIEF
    assert "secret" not in error


# -- the command -----------------------------------------------------------------------------------------------


def script(folder: Path, text: str) -> str:
    file = folder / "tell me.py"
    file.write_text(f"#!{sys.executable}\nimport sys, time, pathlib, subprocess\n{text}\n")
    file.chmod(stat.S_IRWXU)
    return f"'{file}'"


def test_a_command_gets_event_and_text_as_they_are(tmp_path: Path) -> None:
    """No shell reads them: what looks like a command in a line of the log is none."""
    told = tmp_path / "told"
    command = script(tmp_path, f"pathlib.Path({str(told)!r}).write_text(repr(sys.argv[1:]))")
    (receiver,) = read(ALERT_COMMAND=f"{command} --to 'an old phone'").receivers
    text = "$(touch /tmp/x); `id` 'quoted' \"twice\" \\ | * ~ é"
    receiver.deliver("HALT", text)
    assert told.read_text() == repr(["--to", "an old phone", "HALT", text])


def test_a_command_that_fails_is_told_without_what_it_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    error, _ = took(read(ALERT_COMMAND=script(tmp_path, "print('secret'); sys.exit('secret')")))
    assert error == "ALERT_COMMAND (tell me.py): it ended with exit code 1"
    assert capfd.readouterr() == ("", "")


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    child = f"import os, pathlib, time; pathlib.Path({str(noted)!r}).write_text(str(os.getpid())); time.sleep(60)"
    command = script(tmp_path, f"subprocess.run([sys.executable, '-c', {child!r}])")
    error, lasted = took(read(ALERT_COMMAND=command))
    assert error == "ALERT_COMMAND (tell me.py): it took longer than 5 s and was ended"
    assert COMMAND_SECONDS <= lasted <= COMMAND_SECONDS + BRIEF
    wait_for(lambda: not is_alive(int(noted.read_text())), 5, "end of the command's child")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not asked for is dead."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


# -- the variables ---------------------------------------------------------------------------------------------


def test_nothing_is_configured_without_variables() -> None:
    assert read(OTHER="1") == Configured()


def test_fills_are_contracts_above_which_one_is_told() -> None:
    given = {"ALERT_URL": "https://ntfy.sh/x", "ALERT_FORMAT": "ntfy"}
    assert read(**given).least_fill is None
    assert read(**given, ALERT_FILLS="0").least_fill == 0
    assert read(**given, ALERT_FILLS="12.5").least_fill == Decimal("12.5")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"ALERT_URL": "https://ntfy.sh/x"}, "ALERT_FORMAT must be one of ntfy, slack, discord, json"),
        ({"ALERT_URL": "https://ntfy.sh/x", "ALERT_FORMAT": "Slack"}, "ALERT_FORMAT must be one of ntfy, slack, "),
        ({"ALERT_FORMAT": "slack"}, "ALERT_FORMAT is set, but ALERT_URL is not"),
        ({"ALERT_FILLS": "10"}, "ALERT_FILLS is set, but no alert goes anywhere"),
        ({"ALERT_FILLS": "many", "ALERT_COMMAND": "true"}, "ALERT_FILLS must be a number of contracts"),
        ({"ALERT_FILLS": "-1", "ALERT_COMMAND": "true"}, "ALERT_FILLS must be a number of contracts"),
        ({"ALERT_FILLS": "nan", "ALERT_COMMAND": "true"}, "ALERT_FILLS must be a number of contracts"),
        ({"ALERT_COMMAND": "no-such-program-here --to me"}, "ALERT_COMMAND names no program that can be run here"),
        ({"ALERT_COMMAND": "README.md"}, "ALERT_COMMAND names no program that can be run here"),
        ({"ALERT_COMMAND": "true 'me"}, "ALERT_COMMAND has a quote that is not closed"),
        ({"HEARTBEAT_URL": "http://hc-ping.com/secret"}, "HEARTBEAT_URL must be an address that begins with https://"),
        ({"HEARTBEAT_URL": "hc-ping.com/secret"}, "HEARTBEAT_URL must be an address"),
        ({"HEARTBEAT_URL": "https://"}, "HEARTBEAT_URL must be an address"),
        ({"HEARTBEAT_URL": "https://h:port/secret"}, "HEARTBEAT_URL must be an address"),
        ({"HEARTBEAT_URL": "https://[secret"}, "HEARTBEAT_URL must be an address"),
        ({"HEARTBEAT_URL": "https://hc-ping.com/a secret"}, "HEARTBEAT_URL must be an address"),
        ({"ALERT_URL": "ftp://h/secret", "ALERT_FORMAT": "json"}, "ALERT_URL must be an address"),
        ({"ALERT_URLS": "secret"}, r"Unknown variable ALERT_URLS in .env \(did you mean ALERT_URL\?\)"),
        ({"HEARTBEAT": "secret", "alert_url": "secret"}, r"alert_url in .env \(did you mean ALERT_URL\?\)"),
    ],
)  # fmt: skip
def test_a_slip_in_the_variables_is_one_line_without_its_value(variables: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        read(**variables)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_all_slips_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        read(ALERT_URL="x", ALERT_FILLS="y", ALERT_COMMAND="no-such-program-here", HEARTBEAT_URL="z")
    for name in ("ALERT_URL", "ALERT_FORMAT", "ALERT_FILLS", "ALERT_COMMAND", "HEARTBEAT_URL"):
        assert name in str(error.value)


def test_variables_of_other_programs_are_none_of_ours() -> None:
    assert configured(Variables({"ALERT_MANAGER": "x", "HEARTBEAT_FILE": "y"}, {})) == Configured()
