"""A start with real money: nothing is touched before a person has seen it and agreed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.harness import read_variables
from bot import prod_confirmation
from clients import Environment
from tests.support.bench import Bench, answer, assert_quoting_once

forbidden = answer(403, '{"error":{"code":"forbidden","message":"this key may not read that"}}')


def on_prod(bench: Bench, confirm: prod_confirmation.Confirm | None) -> int | None:
    bench.confirm = confirm
    bench.restart(env=Environment.PROD)
    return bench.run(cycles=1)


def test_real_money_touches_nothing_without_consent(
    bench: Bench,
) -> None:
    """With real money the bot lists the orders and positions that it did not open, with the cost of closing
    them. Without a person's consent it only reads and exits with 2."""
    held, resting = bench.held(), {order.order_id for order in bench.resting()}
    assert on_prod(bench, None) == 2
    assert "no keyboard to ask at" in bench.events("ERROR")[0]
    assert on_prod(bench, lambda _: False) == 2
    assert bench.held() == held
    assert {order.order_id for order in bench.resting()} == resting
    assert {request.method for request in bench.wire.sent} == {"GET"}
    assert len(bench.events("FOUND ORDER")) == 2 * len(resting)
    assert len(bench.events("FOUND POSITION")) == 2 * len(held)
    assert all("it costs $" in line and "of fees" in line for line in bench.events("FOUND POSITION"))


def test_a_key_that_may_not_read_positions_touches_nothing(bench: Bench) -> None:
    """If the key may not read the positions, the bot cannot ask for consent, because it does not know what it
    would find. It only reads and exits with 2."""
    bench.wire.fault = lambda request, _: forbidden if "/portfolio/positions" in (request.url or "") else None
    assert on_prod(bench, lambda _: True) == 2
    assert {request.method for request in bench.wire.sent} == {"GET"}
    assert len(bench.resting()) == 2
    assert "only you can fix this" in bench.events("ERROR")[-1]


def test_a_start_without_the_balance_says_so_and_asks(bench: Bench) -> None:
    bench.wire.fault = lambda request, _: forbidden if "/portfolio/balance" in (request.url or "") else None
    assert on_prod(bench, lambda _: False) == 2
    assert "Free cash: not known" in bench.events("REAL MONEY")[0]
    assert len(bench.events("FOUND ORDER")) == len(bench.resting()) == 2


def test_consent_is_asked_for_once_and_then_the_session_begins(bench: Bench) -> None:
    asked: list[str] = []
    assert on_prod(bench, lambda question: not asked.append(question)) is None  # type: ignore[func-returns-value]
    assert len(asked) == 1
    assert_quoting_once(bench)
    bench.run(cycles=1)
    assert len(asked) == 1


def test_what_the_bot_opened_itself_needs_no_consent(bench: Bench) -> None:
    bench.run(cycles=2)
    bench.restart()
    assert on_prod(bench, None) is None
    assert_quoting_once(bench)
    assert bench.events("FOUND ORDER") == []


def test_real_money_needs_a_keyboard_or_yes_in_the_real_process(clone: Path) -> None:
    command = [sys.executable, "-m", "simulator", "--port", "0", "--programs", "40", "--key-file", "k.pem"]
    with subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            lines = {name.replace("SIM_", "PROD_"): value for name, value in read_variables(simulator).items()}
            (clone / ".env").write_text("\n".join(f"{name}={value}" for name, value in lines.items()))
            begin = "import market_bot as m; m.env = m.Environment.PROD; raise SystemExit(m.main())"
            bot = subprocess.run(
                [sys.executable, "-c", begin], cwd=clone, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=60, check=False,
            )  # fmt: skip
            assert bot.returncode == 2, bot.stdout
            assert "REAL MONEY" in bot.stdout
            assert "Not confirmed: no keyboard to ask at" in bot.stdout
            assert "[CANCEL ORDER]" not in bot.stdout
        finally:
            simulator.kill()
