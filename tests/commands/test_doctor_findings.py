"""What the doctor finds, and how it is told, on an exchange inside this process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.connection import Connection
from clients import Environment
from commands import doctor
from runtime import console, preflight
from runtime.console import Checklist
from tests.support.bench import Bench, MakeBench


def test_nothing_but_gets_reach_the_exchange(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    resting = [order.order_id for order in bench.resting()]
    connection = Connection(bench.client, {"Exchange": "x", "Money": "none"})
    sheet = Checklist()
    doctor.exchange(sheet, Environment.DEMO, connection)
    asked = bench.wire.asked()
    assert {call.split()[0] for call in asked} == {"GET"}
    assert len(asked) >= 9
    assert asked.count("GET /trade-api/v2/portfolio/balance") == 1, "one a second is all there is"
    assert [order.order_id for order in bench.resting()] == resting
    assert sheet.code == 0, capsys.readouterr().out


def test_a_shard_that_lacks_cash_for_its_markets_is_a_note(
    make_bench: MakeBench, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = {"do": "cash_moved", "source": 0, "destination": 1, "amount": 5000.0}
    bench = make_bench(faults=[moved | {"on": "GET /exchange/status", "times": 1}])
    connection = Connection(bench.client, {"Exchange": "x", "Money": "none"})
    doctor.exchange(Checklist(), Environment.DEMO, connection)
    told = capsys.readouterr().out
    assert re.search(r"note  Cash .*; move \$1\.88 to shard 0 on the exchange's website", told), told


@pytest.mark.parametrize(
    ("fault", "what", "mark"),
    [
        ({"do": "trading_paused"}, "Exchange", "note"),
        ({"do": "trading_paused", "shards": [2]}, "Exchange", "note"),
        ({"do": "503", "on": "GET /account/limits"}, "Limits", "note"),
        ({"do": "503", "on": "GET /incentive_programs"}, "Programs", "FAIL"),
        ({"do": "503", "on": "GET /portfolio/orders"}, "At a start", "FAIL"),
        ({"do": "missing_field", "on": "GET /exchange/schedule", "field": "schedule"}, "Next pause", "note"),
        ({"do": "501", "on": "GET /portfolio/settlements"}, "Other calls", "note"),
        ({"do": "nonsense", "on": "GET /portfolio/balance"}, "Cash", "note"),
        ({"do": "403", "on": "GET /events"}, "Other calls", "note"),
    ],
)
def test_what_the_exchange_does_not_tell_costs_its_own_line_only(
    make_bench: MakeBench,
    capsys: pytest.CaptureFixture[str],
    fault: dict[str, object],
    what: str,
    mark: str,
) -> None:
    bench = make_bench(faults=[{"on": "*", "from": 0.0} | fault])
    connection = Connection(bench.client, {"Exchange": "x", "Money": "none"})
    sheet = Checklist()
    doctor.exchange(sheet, Environment.DEMO, connection)
    told = capsys.readouterr().out
    assert re.search(rf"^  {mark} +{what} ", told, re.MULTILINE), told
    assert told.count("FAIL") == (mark == "FAIL")
    assert sheet.code == (mark == "FAIL")


def test_another_version_than_pinned_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "HOME", tmp_path)
    sheet = Checklist()
    preflight.check_machine(sheet)
    assert "note  Packages      not compared: requirements.txt cannot be read" in capsys.readouterr().out
    (tmp_path / "requirements.txt").write_text("requests==1.0.0 ; x\n\n# cryptography==0\ncryptography\n")
    preflight.check_machine(sheet)
    assert re.search(r"note  Packages      requests [\d.]+ instead of 1.0.0; ", capsys.readouterr().out)
    (tmp_path / "requirements.txt").write_text("requests\nno-such-package==1\n")
    assert sheet.code == 0
    preflight.check_machine(sheet)
    assert re.search(r"FAIL  Packages      no-such-package missing\. ", capsys.readouterr().out)
    assert sheet.code == 2


def test_what_an_exchange_says_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    sheet = Checklist()
    sheet.note("Exchange", "one\n  ok    Signature     \x1b[2Jforged")
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert sheet.summary() == f"Ready, with 1 note. To start the bot: {console.typed('market_bot.py')}"
