"""However a run ends, and whatever is raised while it does: no order is left resting without a word."""

from __future__ import annotations

import errno
import logging
import signal
import sqlite3
from collections.abc import Callable

import pytest
import requests
import urllib3

from bot import ending
from bot.ending import End
from exchange.models import Order
from execution.canceler import Canceler, NullRecorder
from ledger.database import LedgerError
from runtime import signals
from tests.support.bench import Bench, MakeBench, own_resting, unavailable
from tests.support.moments import Seconds, assert_ended, at_call, at_line, send

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
TOGETHER = ((INT, INT), (INT, TERM), (TERM, HUP), (HUP, INT), (TERM, INT, HUP))


@pytest.fixture
def quoting(make_bench: MakeBench) -> Bench:
    """A bot with four orders, in the wait after its first cycle."""
    bench = make_bench(programs=12, who=())
    bench.run(cycles=1)
    assert len(own_resting(bench)) == 4
    return bench


def quote_again(bench: Bench, seconds: Seconds) -> None:
    """Four orders rest again, and nobody has asked for anything yet."""
    signals.heed(seconds)
    if not own_resting(bench):
        bench.bot.start_trading()
    if len(own_resting(bench)) != 4:  # the stop has left the session unfit for more
        bench.restart()
        bench.run(cycles=1)
    assert len(own_resting(bench)) == 4


def moments(lines: int, count: int) -> list[int]:
    return [1 + lines * number // count for number in range(count)]


def test_signals_at_any_moment_of_a_run_are_one_wish(make_bench: MakeBench, seconds: Seconds) -> None:
    """Wherever the bot is, in its first cycle or in a request of it: the signals that come there together stop it
    once, and it takes its orders down."""
    bench = make_bench(programs=12, who=())
    bench.run(cycles=1, end=KeyboardInterrupt)
    bench.restart()
    _, lines = at_line(0, lambda: None, lambda: bench.run(cycles=1))
    bench.restart()
    bench.run(cycles=1, end=KeyboardInterrupt)
    for number, moment in enumerate(moments(lines, 8)):
        signals.heed(seconds)
        bench.restart()
        since = len(bench.log)
        both = TOGETHER[number % len(TOGETHER)]
        code, _ = at_line(moment, lambda both=both: send(*both), lambda: bench.run(cycles=2))  # type: ignore[misc]
        assert_ended(bench, code, since)


def test_signals_in_the_first_second_of_a_stop_do_not_end_it(quoting: Bench, seconds: Seconds) -> None:
    """Keys that bounce, two signals of `timeout`: at whatever line of the stop the second comes, all orders go."""
    _, lines = at_line(0, lambda: None, lambda: quoting.bot.session.stop("Ctrl-C"))
    for number, moment in enumerate(moments(lines, 8)):
        quote_again(quoting, seconds)
        send(INT)
        seconds.now += 0.99
        since = len(quoting.log)
        again = (INT, TERM, HUP)[number % 3]
        code, _ = at_line(moment, lambda again=again: send(again), lambda: quoting.bot.session.stop("Ctrl-C"))  # type: ignore[misc]
        assert_ended(quoting, code, since)


def test_a_deliberate_second_ctrl_c_ends_a_stop_with_words(quoting: Bench, seconds: Seconds) -> None:
    """Also inside a write to the ledger or to the log. What may rest is told, with how many and the remedy."""
    _, lines = at_line(0, lambda: None, lambda: quoting.bot.session.stop("Ctrl-C"))
    codes = []
    for moment in moments(lines, 16):
        quote_again(quoting, seconds)
        send(INT)
        seconds.now += 1.2
        since = len(quoting.log)
        code, _ = at_line(moment, lambda: send(INT), lambda: quoting.bot.session.stop("Ctrl-C"))
        assert_ended(quoting, code, since, may_rest=True)
        codes.append(code)
    assert {0, 3} == set(codes)
    assert "4 as far as the bot knows; Ctrl-C a second time" in quoting.log


def test_a_first_ctrl_c_while_an_error_stops_the_bot_waits(quoting: Bench, seconds: Seconds) -> None:
    """You press it because you see the error. The stop that you want is under way."""
    quoting.wire.fault = lambda request, _: send(INT) if request.method == "DELETE" else None
    since = len(quoting.log)
    assert_ended(quoting, quoting.bot.session.stop("an error that only you can fix"), since)


# -- errors in a stop --------------------------------------------------------------------------------------------

RAISED: tuple[Callable[[], Exception], ...] = (
    lambda: ValueError("a bug"),
    lambda: MemoryError(),
    lambda: OSError(errno.EMFILE, "Too many open files"),
    lambda: LedgerError("The ledger cannot be written"),
    lambda: sqlite3.OperationalError("disk I/O error"),
    lambda: urllib3.exceptions.LocationParseError("nowhere"),
    lambda: requests.exceptions.ChunkedEncodingError("cut"),
    lambda: RecursionError("too deep"),
)

_THE_STOP_ITSELF = ("bot/ending.py", "runtime/last_words.py", "runtime/signals.py")


def may_fail(name: str) -> bool:
    """Whether a function is not of those that keep a stop going."""
    keeps_going = ("stop", "shut_down", "take_down", "_tell", "attempt", "try_or_log", "log_failure", "outcome")
    file, function, _ = name.split(":")
    return file not in _THE_STOP_ITSELF and function not in (*keeps_going, "held_text")


def test_no_error_in_a_stop_hides_orders_that_rest(
    quoting: Bench, seconds: Seconds, capfd: pytest.CaptureFixture[str]
) -> None:
    """Functions that a stop calls fail once, every eleventh of them, with errors of all kinds. The orders go all
    the same, or the last line says that they may rest."""
    _, called = at_call("", lambda: None, lambda: quoting.bot.session.stop("Ctrl-C"))
    failing = [name for name in called if may_fail(name)]
    assert len(failing) > 60

    def end() -> int:
        return ending.run(lambda: End("a test", 0), quoting.bot.session.stop, quoting.bot.log)

    for number, name in enumerate(failing[::11]):
        quote_again(quoting, seconds)
        since = len(quoting.log)
        error = RAISED[number % len(RAISED)]()

        def fail(error: Exception = error) -> None:
            raise error

        code, _ = at_call(name, fail, end)
        log = quoting.log[since:]
        assert code in (0, 3), name
        assert log.count("[SHUTDOWN]") + capfd.readouterr().err.count("[SHUTDOWN]") == 1, name
        if code == 0:
            assert own_resting(quoting) == [], name


@pytest.mark.parametrize("error", RAISED[:6:2])
def test_an_error_that_lasts_ends_a_stop_with_words(quoting: Bench, error: Callable[[], Exception]) -> None:
    """What the HTTP library or the machine raises at every request. It is told once, before the last line."""

    def fail(*_: object) -> None:
        raise error()

    quoting.wire.fault = fail
    since = len(quoting.log)
    assert_ended(quoting, quoting.bot.session.stop("Ctrl-C"), since, may_rest=True)
    assert len(own_resting(quoting)) == 4
    assert "(4 as far as the bot knows" in quoting.log[since:].splitlines()[-1]


@pytest.mark.parametrize("number", (0, 1, 2, 7))
def test_an_order_whose_cancel_breaks_keeps_no_other_order_up(quoting: Bench, number: int) -> None:
    stuck, error = own_resting(quoting)[number % 4].order_id, RAISED[number]

    def fail(request: requests.PreparedRequest, _: int) -> None:
        if request.method == "DELETE" and stuck in (request.url or ""):
            raise error()

    quoting.wire.fault = fail
    since = len(quoting.log)
    assert_ended(quoting, quoting.bot.session.stop("Ctrl-C"), since, may_rest=True)
    assert [order.order_id for order in own_resting(quoting)] == [stuck]
    assert "(1 as far as the bot knows" in quoting.log[since:].splitlines()[-1]


class _BrokenRecorder(NullRecorder):
    def canceling(self, order: Order) -> None:
        raise ValueError("a bug")

    canceled = canceling


def test_records_that_fail_keep_no_order_up(quoting: Bench) -> None:
    """The order is canceled first, and what could not be recorded is told."""
    own = quoting.bot.session.bookkeeper.own
    canceler = Canceler(quoting.client, quoting.bot.log, _BrokenRecorder(), own)
    assert canceler.shut_down(quoting.bot.session.executor.last_expiry, "a test") == ("", 0)
    assert own_resting(quoting) == []
    assert "A cancel could not be recorded: ValueError: a bug" in quoting.log


class _Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise MemoryError


def test_a_log_that_fails_keeps_no_order_up(quoting: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    """The last line then goes to stderr."""
    broken = _Broken()
    quoting.logger.handlers.insert(0, broken)
    assert quoting.bot.session.stop("Ctrl-C") == 0
    quoting.logger.removeHandler(broken)
    assert own_resting(quoting) == []
    assert "market_bot: [SHUTDOWN] None of our orders rests any more" in capfd.readouterr().err


@pytest.mark.parametrize(
    "function",
    ["_wait", "log_clock", "_use_slack", "log_recovered", "record_failed", "on_failure", "in_words"],
)
def test_an_error_between_two_cycles_leaves_no_order_resting(
    make_bench: MakeBench, seconds: Seconds, function: str
) -> None:
    """The bot trades on, or stops and cancels its orders. It never ends with a traceback and orders resting."""
    bench = make_bench(programs=12, who=())
    if function in ("record_failed", "on_failure"):  # after the first orders

        def fault(request: requests.PreparedRequest, _: int) -> object:
            return unavailable if len(bench.waits) == 1 and "exchange/status" in (request.url or "") else None

        bench.wire.fault = fault

    def fail() -> None:
        raise ValueError("a bug")

    since = len(bench.log)
    code, _ = at_call(function, fail, lambda: bench.run(cycles=2, end=KeyboardInterrupt))
    log = bench.log[since:]
    assert "Bug in the bot, please report it: ValueError: a bug" in log
    assert code == 0
    assert own_resting(bench) == []
    assert log.count("[SHUTDOWN]") == 1
