"""A start with real money: nothing is touched before a person has seen it and agreed."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.harness import read_variables
from bot import prod_confirmation
from clients import Environment
from tests.support.bench import Bench, MakeBench, answer, assert_quoting_once, buy_by_hand, place_by_hand

forbidden = answer(403, '{"error":{"code":"forbidden","message":"this key may not read that"}}')


PAID: dict[str, object] = {
    "trade_size": Decimal(20), "max_capital": Decimal(500), "max_event_loss": Decimal(200), "fill_cost": 0.01,
    "daily_loss_limit": Decimal(25), "trade_ticker_size": 2,
}  # fmt: skip
"""Settings at which two markets of the bench's board pay."""


def on_prod(bench: Bench, confirm: prod_confirmation.Confirm | None, **changed: object) -> int | None:
    bench.confirm = confirm
    bench.restart(env=Environment.PROD, **(PAID | changed))
    return bench.run(cycles=1)


class Person:
    """Somebody at the keyboard who gives the same answer to each question."""

    def __init__(self, agrees: bool = True) -> None:
        self.asked: list[str] = []
        self._agrees = agrees

    def __call__(self, question: str) -> bool:
        self.asked.append(question)
        return self._agrees


def empty(bench: Bench) -> Bench:
    """An account without orders and positions."""
    bench.let_expire(bench.resting())
    bench.account.holdings.clear()
    return bench


def test_real_money_touches_nothing_without_consent(
    bench: Bench,
) -> None:
    """With real money the bot lists the orders and positions that it did not open, with the cost of closing
    them. Without a person's consent it only reads and exits with 2."""
    held, resting = bench.held(), {order.order_id for order in bench.resting()}
    assert on_prod(bench, None) == 2
    assert "no keyboard to ask at" in bench.events("STOP")[0]
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
    assert "only you can fix this" in bench.events("STOP")[-1]


def test_a_start_without_the_balance_says_so_and_asks(bench: Bench) -> None:
    bench.wire.fault = lambda request, _: forbidden if "/portfolio/balance" in (request.url or "") else None
    assert on_prod(bench, lambda _: False) == 2
    assert "Free cash: not known" in bench.events("REAL MONEY")[0]
    assert len(bench.events("FOUND ORDER")) == len(bench.resting()) == 2


def test_consent_is_asked_for_once_and_then_the_session_begins(bench: Bench) -> None:
    """One question at a start for the account, its limits, who is eligible and what it would take over."""
    person = Person()
    assert on_prod(bench, person) is None
    (question,) = person.asked
    assert "Are you eligible" in question
    assert prod_confirmation.TAKE_OVER in question
    assert_quoting_once(bench)
    bench.run(cycles=1)
    assert len(person.asked) == 1


@pytest.mark.parametrize("answer", ["no keyboard", "no"])
def test_an_empty_account_is_not_traded_before_somebody_agreed(bench: Bench, answer: str) -> None:
    """A newcomer's account is empty: there is nothing to cancel or sell. Their money is at stake all the same."""
    empty(bench)
    person = Person(agrees=False)
    sent = len(bench.wire.sent)
    for _ in range(2):
        assert on_prod(bench, None if answer == "no keyboard" else person) == 2
    assert {request.method for request in bench.wire.sent[sent:]} == {"GET"}
    assert bench.resting() == []
    assert len(person.asked) == (0 if answer == "no keyboard" else 2)
    told = [line for line in bench.events("REAL MONEY") if "Agreement: needed" in line]
    assert len(told) == 2
    assert "nobody has agreed to real money on this account yet" in told[0]
    assert "brokers and their customers" in told[0]
    if answer == "no keyboard":
        assert "market_bot.py --yes" in bench.events("STOP")[0]


@pytest.mark.parametrize("first", ["a person", "--yes"])
def test_the_same_or_lower_limits_start_without_a_keyboard(bench: Bench, first: str) -> None:
    """A machine that restarts the bot at night has nobody at its keyboard."""
    assert on_prod(empty(bench), Person() if first == "a person" else lambda _: True) is None
    for lower in (
        {},
        {"max_capital": Decimal(100)},
        {"max_event_loss": Decimal(1), "daily_loss_limit": Decimal(1)},
        {"trade_size": Decimal("0.5")},
        {},  # as agreed at first: lower limits in between take nothing back
    ):
        assert on_prod(bench, None, **lower) is None, lower
    assert len([line for line in bench.events("REAL MONEY") if "Agreement: needed" in line]) == 1


@pytest.mark.parametrize(("name", "value", "told"), [
    ("max_capital", Decimal("500.01"), "MAX_CAPITAL is $500.01, agreed was $500.00"),
    ("max_event_loss", Decimal(201), "MAX_EVENT_LOSS is $201.00, agreed was $200.00"),
    ("daily_loss_limit", Decimal(26), "DAILY_LOSS_LIMIT is $26.00, agreed was $25.00"),
    ("trade_size", Decimal(21), "Largest order is $21.00, agreed was $20.00"),
    ("trade_size", None, "Largest order is $500.00, agreed was $20.00"),
])  # fmt: skip
def test_each_higher_limit_is_asked_about_again(bench: Bench, name: str, value: Decimal | None, told: str) -> None:
    """Nothing is quoted by the higher limit before somebody agreed to it. The lower one goes on without."""
    assert on_prod(empty(bench), Person()) is None
    assert on_prod(bench, None, **{name: value}) == 2
    assert told in bench.events("REAL MONEY")[-1]
    assert on_prod(bench, Person(agrees=False), **{name: value}) == 2
    assert on_prod(bench, None) is None, "the agreement that there is still holds"
    person = Person()
    assert on_prod(bench, person, **{name: value}) is None
    assert len(person.asked) == 1
    assert on_prod(bench, None, **{name: value}) is None


def test_auto_covers_every_fixed_size_within_the_same_capital(bench: Bench) -> None:
    assert on_prod(empty(bench), Person(), trade_size=None) is None
    assert on_prod(bench, None, trade_size=Decimal(5_000)) is None


def test_another_account_is_asked_about_again(make_bench: MakeBench) -> None:
    """The agreement is for an account, not for the machine."""
    first, second = make_bench(), make_bench(seed=2)
    assert on_prod(empty(first), Person()) is None
    assert on_prod(empty(second), None) == 2


@pytest.mark.parametrize("kind", ["order", "position"])
def test_what_the_bot_did_not_open_is_asked_about_again(bench: Bench, kind: str) -> None:
    """The limits are agreed to. What it found is another question, and the only one."""
    assert on_prod(empty(bench), Person()) is None
    ticker = next(iter(bench.bot.incentive_program.quoted))
    place_by_hand(bench, ticker) if kind == "order" else buy_by_hand(bench, ticker)
    assert on_prod(bench, None) == 2
    assert bench.events(f"FOUND {kind.upper()}")
    person = Person()
    assert on_prod(bench, person) is None
    assert person.asked == [prod_confirmation.TAKE_OVER]


def test_what_the_bot_opened_itself_needs_no_consent(bench: Bench) -> None:
    assert on_prod(bench, Person()) is None
    assert on_prod(bench, None) is None
    assert_quoting_once(bench)
    assert len(bench.events("FOUND ORDER")) == 2, "at the first start"


@pytest.mark.parametrize("is_agreed", [False, True])
def test_a_halt_is_no_agreement(bench: Bench, is_agreed: bool) -> None:
    """A halted bot sells nothing, so it asks about no positions. After `resume` it trades: so limits that nobody
    agreed to are asked about all the same."""
    on_prod(bench, Person(is_agreed))
    bench.bot.session.halts.halt("python main.py cancel-all", (), None)
    place_by_hand(bench, bench.board().programs[0].ticker if is_agreed else None)
    found = len(bench.events("FOUND ORDER"))
    assert on_prod(bench, None) == (None if is_agreed else 2)
    assert len(bench.events("FOUND ORDER")) == found, "it leaves the order alone, so it does not ask about it"


# -- what the settings bring -----------------------------------------------------------------------------------


def expected(bench: Bench) -> tuple[str, str]:
    """The last start's lines on a day and on a sale at once."""
    day, cross = [line for line in bench.events("REAL MONEY") if "Expected: " in line or "] CROSS: " in line][-2:]
    return day, cross


def dollars(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1].replace(",", ""))


@pytest.mark.parametrize("size", [Decimal(20), None])
@pytest.mark.parametrize("slots", [1, 3])
def test_the_question_comes_with_what_a_day_brings_and_costs(
    bench: Bench, size: Decimal | None, slots: int
) -> None:
    """What is told is what the first cycle then chooses, with twice the rivals and before nothing is earned."""
    assert on_prod(empty(bench), Person(), trade_size=size, trade_ticker_size=slots) is None
    day, cross = expected(bench)
    traded = bench.bot.incentive_program.traded.values()
    decided = [candidate.conservative for candidate in traded]
    assert f"Expected: {len(decided)} of {slots} slots filled by the board read now" in day
    assert dollars(r"Rewards: \$([\d.,]+) a day payable", day) == pytest.approx(
        sum(min(one.worth_per_day, one.dollars_per_day) for one in decided), rel=0.02, abs=0.02
    )
    fills = sum(one.fills_per_day for one in decided)
    assert dollars(r"Fills: ([\d.,]+) contracts", day) == pytest.approx(fills, rel=0.02, abs=0.1)
    costs = sum(one.fill_cost_per_day + one.fees_per_day for one in decided)
    assert dollars(r"cost \$([\d.,]+) by FILL_COST", day) == pytest.approx(costs, rel=0.02, abs=0.01)
    spread, fee = dollars(r"\(\$([\d.]+) of spread", cross), dollars(r"\$([\d.]+) of taker fee", cross)
    assert dollars(r"costs about \$([\d.]+)", cross) == pytest.approx(spread + fee, abs=0.0002)
    (at,) = [one for one in traded if f"as in {one.ticker})" in cross]
    yes, no = at.rivals.yes[0].price, at.rivals.no[0].price
    assert spread == pytest.approx(float(1 - yes - no))
    assert min(yes, no) > 0 < fee <= 0.0175


def test_settings_that_earn_nothing_say_so_before_the_question(bench: Bench) -> None:
    """The shipped size is for watching. With real money it quotes nothing, and the question comes with that."""
    person = Person()
    assert on_prod(empty(bench), person, trade_size=Decimal(1)) is None
    day, cross = expected(bench)
    assert "Expected: no market is worth a slot, so nothing is quoted now; at TRADE_SIZE = 1 the best" in day
    assert "the smallest size that is paid today is" in day
    assert "Rewards: $0.00 a day payable" in day
    assert "of taker fee" in cross, "by the best of the markets that are not quoted"
    assert bench.resting() == []


@pytest.mark.parametrize("call", ["/incentive_programs", "/markets", "/markets/orderbooks"])
def test_a_board_that_cannot_be_read_is_told_as_not_known(bench: Bench, call: str) -> None:
    """No figure stands for what is not known, and the start is asked about all the same."""
    empty(bench)
    bench.wire.fault = lambda request, _: forbidden if request.path_url.partition("?")[0].endswith(call) else None
    person = Person(agrees=False)
    assert on_prod(bench, person) == 2
    day, cross = expected(bench)
    assert "Expected: not known: the board could not be read (" in day
    assert "CROSS: not known, for the same reason" in cross
    assert len(person.asked) == 1
    assert "Rewards" not in bench.log


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
