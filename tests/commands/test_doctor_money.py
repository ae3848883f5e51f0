"""What the doctor says of money, before any is at stake."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest

import market_bot
from bot import agreement
from bot.connection import Connection, account_state
from clients import Environment
from commands import doctor
from runtime.console import Checklist
from simulator.listing import DAY
from tests.support.bench import Bench, MakeBench, Said, answer, share

Examined = Callable[..., str]
forbidden = answer(403, '{"error":{"code":"forbidden","message":"this key may not read that"}}')


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Examined:
    """The doctor's lines on money, with some settings of `market_bot.py` changed."""

    def examine(bench: Bench, environment: Environment, **settings: object) -> str:
        for name, value in settings.items():
            monkeypatch.setattr(market_bot, name, value)
        monkeypatch.setattr(market_bot, "env", environment)
        doctor.exchange(Checklist(), environment, Connection(bench.client, {"Exchange": "x", "Money": "y"}))
        said = capsys.readouterr().out
        return said[said.index("Expected  ") - 8 : said.index("Other calls  ")]

    return examine


def test_the_doctor_says_what_the_settings_bring_and_cost(make_bench: MakeBench, examined: Examined) -> None:
    """The rewards of a day, what its fills cost, and what a sale at once costs."""
    told = examined(make_bench(), Environment.PROD, TRADE_SIZE="AUTO", FILL_COST=0.01)
    assert re.search(r"ok    Expected +[12] of 2 slots filled by the board read now", told), told
    (rewards,) = re.findall(r"Rewards: \$([\d.]+) a day payable, with 2 times the rivals", told)
    (costs,) = re.findall(r"which cost \$([\d.]+) by FILL_COST", told)
    (net,) = re.findall(r"Net: \$([\d.]+) a day", told)
    assert float(net) == pytest.approx(float(rewards) - float(costs), abs=0.011)
    assert re.search(r"CROSS: selling a filled contract at once costs about \$0\.\d+ \(\$0\.\d+ of spread", told)


@pytest.mark.parametrize("environment", list(Environment))
def test_settings_that_earn_nothing_are_a_note_with_real_money(
    make_bench: MakeBench, examined: Examined, environment: Environment
) -> None:
    """The shipped settings are for watching: there they quote, with real money they quote nothing."""
    told = examined(make_bench(past=DAY), environment)
    assert "Rewards: $0.00 a day payable" in told
    if environment is Environment.PROD:
        assert "note  Expected      no market is worth a slot, so nothing is quoted now; at TRADE_SIZE = 1" in told
    else:
        assert "ok    Expected      2 of 2 slots filled" in told
        assert "Net: -$" in told


@pytest.mark.parametrize("call", ["/incentive_programs", "/markets", "/exchange/status", "/portfolio/balance"])
def test_what_cannot_be_read_is_not_told_as_a_figure(bench: Bench, examined: Examined, call: str) -> None:
    seen = []

    def fault(request: object, _: int) -> object:
        path = request.path_url.partition("?")[0]  # type: ignore[attr-defined]
        if path.endswith(call):
            seen.append(path)
        first = call == "/exchange/status" and len(seen) == 1  # without that answer the doctor stops
        return forbidden if path.endswith(call) and not first else None

    bench.wire.fault = fault
    told = examined(bench, Environment.PROD, TRADE_SIZE="AUTO", FILL_COST=0.01)
    if call == "/portfolio/balance":
        assert "slots filled by the board read now; the cash is not known, and may be too little" in told
    else:
        assert "note  Expected      not known: " in told
        assert "Rewards" not in told


@pytest.mark.parametrize(("settings", "agreed", "told"), [
    ({}, None, "note  Agreement     nobody has agreed to real money on this account yet: the next start asks"),
    ({}, {}, "ok    Agreement     a start asks nothing within MAX_CAPITAL $100.00, MAX_EVENT_LOSS $20.00, "),
    ({"MAX_CAPITAL": 50}, {}, "ok    Agreement     a start asks nothing within MAX_CAPITAL $100.00"),
    ({"MAX_CAPITAL": 101}, {}, "note  Agreement     MAX_CAPITAL is $101.00, agreed was $100.00: the next"),
    ({"TRADE_SIZE": "AUTO"}, {}, "note  Agreement     Largest order is $100.00, agreed was $1.00"),
    ({}, {"DAILY_LOSS_LIMIT": Decimal(24)}, "note  Agreement     DAILY_LOSS_LIMIT is $25.00, agreed was $24.00"),
])  # fmt: skip
def test_the_doctor_says_whether_a_start_would_ask(
    bench: Bench, examined: Examined, settings: dict[str, object], agreed: dict[str, Decimal] | None, told: str
) -> None:
    """`agreed`: what differs from the shipped limits, None if nobody agreed."""
    if agreed is not None:
        state = account_state(Environment.PROD, bench.connection)
        bench.client.get_exchange_status()
        state.agree(bench.client.clock.now(), agreement.limits_of(market_bot.read_settings()) | agreed)
    assert told in examined(bench, Environment.PROD, **settings)


def test_the_doctor_speaks_of_no_agreement_without_real_money(bench: Bench, examined: Examined) -> None:
    assert "Agreement" not in examined(bench, Environment.DEMO)


@pytest.mark.parametrize(("environment", "quotes"), [(Environment.SIM, True), (Environment.PROD, False)])
def test_the_list_of_markets_shows_the_same_decision(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    typed: Callable[..., Said],
    environment: Environment,
    quotes: bool,
) -> None:
    """`main.py incentives` is how a person looks at the real board before a start."""
    share(bench, monkeypatch)
    monkeypatch.setattr(market_bot, "env", environment)
    said = typed("incentives")
    assert ("REWARD_FLOOR" in said.out) is not quotes
    assert ("no market is worth a slot, so nothing is quoted now" in " ".join(said.out.split())) is not quotes
    if quotes:
        return
    skip = next(line for line in said.out.splitlines() if "REWARD_FLOOR | Payable: $0.00" in line)
    ticker, per_day, payable, *_ = skip.split()
    assert float(per_day[1:]) > 0, "what it would earn if it were paid"
    assert payable == "$0.00"
    why = typed("incentives", "--why", ticker).out
    assert f"{ticker}: is not quoted. Reason: REWARD_FLOOR | Payable: $0.00, $" in why
