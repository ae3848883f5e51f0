"""Real processes that get several stop signals: they are one wish, and the bot takes its orders down."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.processes import python, read, wait_for
from tests.support.project import copy_of_the_product

Process = subprocess.Popen[str]


def twice(bot: Process) -> None:
    bot.send_signal(signal.SIGINT)
    bot.send_signal(signal.SIGINT)


def held_down(bot: Process) -> None:
    """Ctrl-C repeats 30 times a second, and the terminal is closed meanwhile."""
    for number in range(45):
        if bot.poll() is None:
            bot.send_signal(signal.SIGHUP if number == 10 else signal.SIGINT)
        time.sleep(1 / 30)


def both(bot: Process) -> None:
    bot.send_signal(signal.SIGTERM)
    bot.send_signal(signal.SIGINT)


def test_signals_that_come_together_stop_the_bot_once(tmp_path: Path) -> None:
    """Two Ctrl-C in one moment, a key that is held, SIGTERM with Ctrl-C, and `timeout -s INT`, which sends two: no
    order is left behind, exit 0, one last line, no traceback."""
    ways: dict[str, Callable[[Process], None]] = {"held": held_down, "both": both}
    if shutil.which("timeout"):
        ways["timeout"] = lambda bot: bot.send_signal(signal.SIGINT)
    else:
        ways["twice"] = twice
    bots: dict[str, Process] = {}
    clones = {name: copy_of_the_product(tmp_path / name) for name in ways}
    try:
        for name, clone in clones.items():
            run = {"executable": shutil.which("timeout")} if name == "timeout" else {}
            before = ["-s", "INT", "60", sys.executable] if name == "timeout" else []
            bots[name] = python(clone, *before, "market_bot.py", stdin=subprocess.DEVNULL, **run)
        for clone in clones.values():
            wait_for(lambda clone=clone: "[CYCLE] Number: 1 " in read(clone / "trade.log"), 30, "cycle")  # type: ignore[misc]
        for name, bot in bots.items():
            ways[name](bot)
        for name, bot in bots.items():
            said, _ = bot.communicate(timeout=20)
            log = read(clones[name] / "trade.log").splitlines()
            assert bot.returncode == 0, (name, said)
            assert "Traceback" not in said, name
            assert "[SHUTDOWN] None of our orders rests any more" in log[-1], name
            assert len([line for line in log if "[SHUTDOWN]" in line]) == 1, name
            opened = [line for line in log if "[OPEN ORDER]" in line]
            gone = [line for line in log if "[CANCEL ORDER]" in line and "NEW_SESSION" not in line]
            gone += [line for line in log if "[FILL]" in line and "Role: maker" in line]
            assert len(gone) >= len(opened) >= 3, name
            assert [line for line in gone if "STOP" in line], name
            assert read(clones[name] / "trade.lock") == "", name
    finally:
        for bot in bots.values():
            bot.kill()
            bot.communicate()


def test_ctrl_c_ends_a_start_before_the_board_is_open(tmp_path: Path) -> None:
    """As shipped the simulated traders first trade a day, for seconds. Exit 0, one line, no traceback."""
    clone = copy_of_the_product(tmp_path)
    env = {"PATH": os.environ["PATH"], "HOME": str(clone), "PYTHONUNBUFFERED": "1"}
    bot = python(clone, "market_bot.py", stdin=subprocess.DEVNULL, env=env)
    try:
        wait_for(lambda: bool(read(clone / "trade.lock")), 30, "lock")
        bot.send_signal(signal.SIGINT)
        said, _ = bot.communicate(timeout=20)
    finally:
        bot.kill()
        bot.communicate()
    assert bot.returncode == 0, said
    assert "Traceback" not in said
    (told,) = read(clone / "trade.log").splitlines()
    assert told.endswith("[SHUTDOWN] Nothing was sent")
    assert read(clone / "trade.lock") == ""
