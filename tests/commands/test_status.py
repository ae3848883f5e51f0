"""`python main.py`: what it tells must be what is there, for a person and for a program, whatever is missing; and
what acts must say where, and ask."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import market_bot
from bot import launch
from clients import Environment
from runtime import console, lock
from runtime.lock import Lock
from simulator.opening import CUSTOMER
from simulator.statement import statement
from tests.support.bench import Beside, MakeBench, Said, cut_before, place_by_hand, share
from tests.support.project import PROJECT
from trade import OWN_PREFIX

D = Decimal
READING = ([], ["status"], ["status", "--json"], ["incentives"], ["incentives", "--why", "KXCPI-26DEC21-T5"])
ACTING = (["cancel-all", "--yes"], ["close-all", "--yes"], ["resume", "--yes"])


# -- what it tells ---------------------------------------------------------------------------------------------


def test_status_says_what_the_exchange_and_the_last_cycle_say(beside: Beside) -> None:
    """Both forms, text and JSON, show the orders, positions and cash that the exchange has. They also show what
    the last cycle said."""
    bench, typed = beside
    bench.run(cycles=2)
    place_by_hand(bench)
    ticker = sorted(bench.exchange.api.exchange.markets)[0]
    bench.account.holdings[ticker].count, bench.account.holdings[ticker].cost = 300, 1_200_000
    found, text = typed("status", "--json"), typed()
    assert (found.code, text.code, found.err) == (0, 0, "")
    told = found.json
    assert (told["environment"], told["source"], told["ledger"]["problem"]) == ("SIM", "exchange", None)
    real = {order.order_id: order for order in bench.resting()}
    assert len(told["orders"]) == len(real) == 5
    assert sum(one["is_ours"] for one in told["orders"]) == 4
    by_shard = told["balance"]["by_shard"].values()
    free = bench.client.get_balance().total - sum(map(D, told["balance"]["reserved_by_shard"].values()))
    assert sum(map(D, by_shard)) == D(told["balance"]["free"]) == free
    assert free == D(sum(map(D, statement(bench.exchange.api.exchange, CUSTOMER)["free"].values())))
    (position,) = told["positions"]
    assert position == {
        "ticker": ticker, "side": "yes", "contracts": "3.00", "cost": "1.200000",
        "worst_case": "1.200000",
    }  # fmt: skip
    cycle = bench.ledger.cycles()[-1]
    assert told["last_cycle"]["requests"] == cycle.requests
    assert told["last_cycle"]["began"].startswith(f"{cycle.began:%Y-%m-%dT%H:%M:%S}")
    assert told["day"]["trading"] == str(bench.ledger.last_mark().own_profit)  # type: ignore[union-attr]
    assert "\nFree cash: $" in text.out
    assert "(shard 0: $" in text.out
    assert text.out.count("  this bot\n") == 4
    assert text.out.count("  somebody else") == 1
    assert f"| Requests: {cycle.requests} |" in text.out
    assert re.search(rf"{ticker} +yes +3.00 +\$1.2000 +\$1.2000", text.out)


def test_the_worst_case_is_the_one_that_the_cycle_stated(beside: Beside) -> None:
    bench, typed = beside
    bench.run(cycles=1)
    stated = re.search(r"Worst case: (\$[\d.]+) in (\S+), (\$[\d.]+) in all", bench.log)
    assert stated
    assert f"Worst case: {stated[0].partition(': ')[2]} (" in typed().out
    told = typed("--json").json["worst_case"]
    assert f"${D(told['total']):.2f}" == stated[3]
    assert f"${D(told['by_event'][stated[2]]):.2f}" == stated[1]


def test_a_halt_says_why_since_when_and_how_to_go_on(beside: Beside) -> None:
    bench, typed = beside
    bench.run(cycles=1)
    assert typed("cancel-all", "--yes").code == 0
    text = typed().out
    assert re.search(r"^HALTED since [-\d]+ [:\d]+: python main.py cancel-all\. ", text, re.M)
    assert f". {console.typed('main.py resume')} resumes trading" in text
    (halt,) = typed("--json").json["halts"]
    assert halt["reason"] == "python main.py cancel-all"
    assert typed("resume", "--yes").code == 0
    assert typed("--json").json["halts"] == []


def test_a_failed_cycle_is_told_with_its_problem(beside: Beside) -> None:
    bench, typed = beside
    bench.run(cycles=1)
    bench.wire.fault = lambda request, _: cut_before if request.method == "GET" else None
    bench.run(cycles=1)
    bench.wire.fault = None
    assert "| FAILED: GET /" in typed().out
    assert "the connection was cut" in typed("--json").json["last_cycle"]["problem"]


@pytest.mark.parametrize("state", ["none", "another account's", "damaged"])
def test_a_ledger_without_this_account_hides_nothing_else(beside: Beside, state: str) -> None:
    """If the ledger is missing, damaged or of another account, the status says so and still shows the
    positions. It creates no file."""
    bench, typed = beside
    bench.end()
    bench.ledger_file.unlink()
    expected = {"none": "there is no trade-sim-1.db yet", "damaged": "cannot be opened: file is not a database"}
    if state == "damaged":
        bench.ledger_file.write_text("this is not a ledger " * 99)
    elif state != "none":
        launched = market_bot.Ledger(bench.ledger_file)
        launched.open_for(bench.client.identity._replace(key_id="another"), bench.client.clock.now())
        launched.halt(bench.client.clock.now(), "a halt of somebody else's")
        launched.close()
    text, found = typed(), typed("--json")
    told = found.json
    assert text.code == found.code == (2 if state == "damaged" else 0)
    assert expected.get(state, "belongs to another account") in text.out
    assert expected.get(state, "belongs to another account") in told["ledger"]["problem"]
    assert (told["halts"], told["day"], told["last_cycle"]) == (None, None, None)
    assert "HALTED" not in text.out
    assert len(told["positions"]) == len(bench.held()) > 0
    assert bench.ledger_file.exists() is (state != "none"), "a look leaves no file"


def test_an_exchange_inside_the_bot_is_told_by_its_ledger(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said]
) -> None:
    """The status takes orders, positions and the last cycle from the ledger and asks no other exchange. It says
    how to share a simulator."""
    bench = make_bench(programs=12, who=())
    bench.run(cycles=2)
    quotes = {(order.ticker, "yes" if order.is_bid else "no") for order in bench.resting()}
    another = make_bench(programs=12, who=())
    bench.connection = replace(bench.connection, client=another.client)
    share(bench, monkeypatch, is_private=True)
    holds = Lock(market_bot.paths().lock, "runs in this folder")
    found, text = typed("--json"), typed()
    told = found.json
    assert told["source"] == "ledger"
    assert {(one["ticker"], one["side"]) for one in told["orders"]} == quotes
    assert (told["positions"], told["worst_case"], told["bot"]["runs"]) == ([], None, True)
    assert told["day"]["trading"] == str(bench.ledger.last_mark().own_profit)  # type: ignore[union-attr]
    assert "inside the bot's own process" in text.out
    assert "Last cycle: began " in text.out
    assert text.out.endswith(f"\n  {console.typed('-m simulator')}\n")
    assert found.err.endswith(f"\n  {console.typed('-m simulator')}\n")
    holds.release()
    assert "that exchange ended with its bot" in typed().out
    assert [line for line in another.wire.asked() if "/portfolio" in line] == []


# -- whether a bot runs ----------------------------------------------------------------------------------------


def test_a_running_bot_is_told_from_a_killed_or_stopped_one(beside: Beside) -> None:
    """The status names the process of a bot that runs. It says if none runs, and if the last one was killed."""
    bench, typed = beside
    bench.run(cycles=1)
    file = lock.account_file("SIM", bench.client.identity.key_id, 0)
    assert typed("--json").json["bot"] == {"runs": False, "process": None}
    holds = (
        "import sys, time; from pathlib import Path; from runtime.lock import Lock\n"
        "lock = Lock(Path(sys.argv[1]), 'trades on this account'); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", holds, file], cwd=PROJECT, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        runs = typed("--json").json["bot"]
        assert (runs["runs"], f"process {process.pid}, since " in runs["process"]) == (True, True)
        process.kill()  # its name stays in the file
    assert file.read_text()
    text = typed().out
    assert "Bot: none runs on this account" in text
    assert ", ended without a clean shutdown (killed, or power loss)" in text


def test_whoever_looks_for_a_bot_keeps_none_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trade.lock"
    file.touch()
    looks = os.open(file, os.O_RDWR)
    fcntl.flock(looks, fcntl.LOCK_EX)
    monkeypatch.setattr(lock.time, "sleep", lambda _: os.close(looks))
    Lock(file, "runs in this folder").release()


# -- what acts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["cancel-all", "close-all", "resume"])
def test_a_command_that_acts_does_nothing_without_consent(
    beside: Beside, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Each command that acts names the environment. Without a keyboard or after a no it changes nothing and
    exits with 2."""
    bench, typed = beside
    bench.ledger  # noqa: B018
    launched = market_bot.Ledger(bench.ledger_file)
    launched.halt(bench.client.clock.now(), "a reason")
    asked: list[str] = []
    monkeypatch.setattr(launch, "keyboard", lambda: None)
    alone = typed(command)
    monkeypatch.setattr(launch, "keyboard", lambda: lambda question: bool(asked.append(question)))
    refused = typed(command)
    assert (alone.code, refused.code) == (2, 2)
    assert (
        "main: nothing was done: there is no keyboard to confirm it, or no place to show the question. "
        "To confirm in advance: " + console.typed(f"main.py {command} --yes")
    ) in alone.err
    assert refused.err == "main: nothing was done\n"
    assert "Environment: SIM (" in alone.out
    assert "on SIM" in asked[0]
    assert len(bench.resting()) == 2
    assert len(launched.halts(standing=True)) == 1
    assert {request.method for request in bench.wire.sent} <= {"GET"}
    assert typed(command, "--yes").code == 0
    assert "Environment: SIM (" in typed(command, "--yes").out


def test_cancel_all_halts_the_bot_without_an_answer(beside: Beside) -> None:
    """The bot is halted even if the exchange does not answer. Else the bot would put up again, when the
    exchange is back, what a person wanted down."""
    bench, typed = beside
    bench.run(cycles=1)
    bench.wire.fault = lambda *_: cut_before
    said = typed("cancel-all", "--yes")
    assert said.code == 1
    assert "The bot is halted" in said.out
    assert f"To find the cause: {console.typed('main.py doctor')}\n" in said.err
    bench.wire.fault = None
    bench.run(cycles=2)
    assert [order for order in bench.resting() if order.client_order_id.startswith(OWN_PREFIX)] == []


@pytest.mark.parametrize("command", ["cancel-all", "close-all"])
def test_nothing_is_halted_where_no_bot_runs(typed: Callable[..., Said], command: str) -> None:
    """The exchange would be inside the bot's process, and no bot runs. A halt would stop the first bot of a
    newcomer after a try of the command."""
    said = typed(command, "--yes")
    assert said.code == 0
    assert "No bot runs in this folder" in said.out
    assert "python -m simulator" in said.out
    assert not market_bot.ledger_file(Environment.SIM).exists()


def test_a_bot_with_an_exchange_inside_its_process_is_halted(
    typed: Callable[..., Said],
) -> None:
    """The bot cancels its orders with its next cycle and keeps its positions. The close-all command exits with
    1, because nothing was sold."""
    holds = Lock(market_bot.paths().lock, "runs in this folder")
    canceled, sold = typed("cancel-all", "--yes"), typed("close-all", "--yes")
    holds.release()
    assert (canceled.code, sold.code) == (0, 1)
    for said in (canceled, sold):
        assert "The bot is halted" in said.out
        assert "cancels its orders in its next cycle, and keeps its positions" in said.out
    assert typed().out.count("HALTED since") == 2, "nobody's ledger yet, and the next bot's"
    assert typed("resume", "--yes").code == 0


# -- what is missing or wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*READING, *ACTING[:2]], ids=" ".join)
def test_demo_without_its_variables_names_what_is_missing(
    typed: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Each command prints one line with the missing variable and exits with 2."""
    monkeypatch.setattr(market_bot, "env", Environment.DEMO)
    said = typed(*command)
    assert (said.code, said.out) == (2, "")
    assert re.fullmatch(r"main: DEMO_KEYID is not set\. Put DEMO_KEYID=\.\.\. into \.env: .*\n", said.err)


def test_resume_needs_no_key(typed: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_bot, "env", Environment.DEMO)
    said = typed("resume")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Environment: DEMO (trade-demo.db)\nThere is no ledger")


@pytest.mark.parametrize("command", [*READING, *ACTING], ids=" ".join)
def test_an_env_that_is_none_is_one_line(
    typed: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(market_bot, "env", "DEMO")
    said = typed(*command)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("main: env in market_bot.py = 'DEMO': must be Environment.SIM, ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["halt"], "invalid choice: 'halt'"),
        (["--jsno"], "unrecognized arguments: --jsno"),
        (["status", "--js"], "unrecognized arguments: --js"),
        (["resume", "--json"], "unrecognized arguments: --json"),
        (["incentives", "--why"], "argument --why: expected one argument"),
        (["incentives", "--why", "kxnope"], "KXNOPE has no program that is listed as active"),
    ],
)
def test_what_nobody_knows_is_one_line_and_exit_2(
    typed: Callable[..., Said], arguments: list[str], told: str
) -> None:
    said = typed(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("main: ")
    assert told in said.err
    assert said.err.count("\n") == 1


def test_each_command_works_with_nothing_configured(
    typed: Callable[..., Said],
) -> None:
    """Each command exits with 0, names the environment and says how to share a simulator."""
    for command in (*READING[:2], ["incentives"], *ACTING):
        said = typed(*command)
        assert said.code == 0, command
        assert "Environment: SIM (" in said.out
        assert said.out.endswith(f"\n  {console.typed('-m simulator')}\n"), command


def test_help_shows_examples_of_each_command_and_the_exit_codes(typed: Callable[..., Said]) -> None:
    whole = typed("--help").out
    for name in ("status", "report", "doctor", "incentives", "cancel-all", "close-all", "resume"):
        one = typed(name, "--help")
        assert one.code == 0
        for said in (whole, one.out):
            assert f"  {console.typed(f'main.py {name}')}" in said
            assert "exit code: 0 nothing failed" in said
