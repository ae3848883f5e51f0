"""`python main.py report`: typed in the morning, beside a running bot, by somebody who has no key at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import market_bot
from ledger.ledger import Ledger
from report.text import WIDTH
from runtime import console
from tests.support.bench import Beside, Said


def test_text_json_and_page_say_the_same_beside_a_running_bot(beside: Beside, tmp_path: Path) -> None:
    bench, typed = beside
    bench.run(cycles=3)
    asked = len(bench.wire.sent)
    text, told = typed("report"), typed("report", "--json")
    net = told.json["total"]["money"]["net"]
    assert (text.code, told.code, text.err + told.err) == (0, 0, "")
    assert f"${abs(float(net)):.2f}" in text.out
    assert max(map(len, text.out.splitlines())) <= WIDTH
    page = tmp_path / "report.html"
    said = typed("report", "--html", str(page))
    assert (said.code, str(page) in said.out) == (0, True)
    assert f"${abs(float(net)):.2f}" in page.read_text(encoding="utf-8")
    assert len(bench.wire.sent) == asked, "it needs no exchange, and no key"


def test_another_ledger_is_read_without_one_of_our_own(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, typed = beside
    bench.run(cycles=1)
    monkeypatch.setattr(market_bot, "ledger_file", lambda _: tmp_path / "none.db")
    told = typed("report", "--json", "--ledger", str(bench.ledger_file))
    assert told.json["ledger"] == bench.ledger_file.name
    missing = typed("report")
    assert (missing.code, missing.out) == (2, "")
    assert f"To start a bot, which creates it: {console.typed('market_bot.py')}" in missing.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--since", "yesterday"], "yesterday is not a day"),
        (["--since", "2999-01-01"], "There is no data since 2999-01-01"),
        (["--html", "/nowhere/at/all.html"], "/nowhere/at/all.html cannot be written"),
        (["--html", "x.html", "--json"], "not allowed with"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(beside: Beside, arguments: list[str], why: str) -> None:
    bench, typed = beside
    bench.run(cycles=1)
    said = typed("report", *arguments)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert why in said.err


def test_a_ledger_that_is_empty_or_damaged_is_one_line(
    typed: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "trade-sim.db"
    monkeypatch.setattr(market_bot, "ledger_file", lambda _: file)
    Ledger(file).close()
    assert typed("report").code == 2
    file.write_bytes(b"no database at all, but long enough to be looked at" * 9)
    said = typed("report")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "cannot be opened" in said.err
