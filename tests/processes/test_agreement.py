"""A newcomer's first start with real money, at a real keyboard, and the starts that follow without one."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.harness import read_variables
from tests.support.processes import python, read, simulator, stop, wait_for

BEGIN = (
    "from runtime import preflight; preflight.prepare('market_bot'); import market_bot as m; "
    "m.env = m.Environment.PROD; m.TRADE_SIZE = 'AUTO'; m.FILL_COST = 0; {}; raise SystemExit(m.main())"
)


@pytest.fixture
def on_prod(clone: Path) -> Iterator[Path]:
    """A clone whose PROD is a simulated exchange on this machine."""
    served = simulator("--port", "0", "--ed25519", "--programs", "20", "--key-file", str(clone / "k.pem"))
    variables = read_variables(served)
    (clone / ".env").write_text("".join(f"{n.replace('SIM', 'PROD')}={v}\n" for n, v in variables.items()))
    yield clone
    served.kill()
    served.communicate()


class Terminal:
    """A bot that was started in a terminal, with a keyboard or without."""

    def __init__(self, clone: Path, change: str = "pass", keyboard: bool = False) -> None:
        self.log, self._since = clone / "trade.log", len(read(clone / "trade.log"))
        near, far = pty.openpty() if keyboard else (-1, subprocess.DEVNULL)
        self._keys = near
        self.bot = python(clone, "-c", BEGIN.format(change), stdin=far)
        if keyboard:
            os.close(far)

    @property
    def told(self) -> str:
        return read(self.log)[self._since :]

    def waits_for(self, event: str) -> None:
        wait_for(lambda: event in self.told, 30, event)

    def type(self, keys: str) -> None:
        self.waits_for("Agreement: needed")
        os.write(self._keys, keys.encode())

    def leave(self, after: str) -> int:
        self.waits_for(after)
        return stop(self.bot)[0]

    def close(self) -> None:
        if self._keys >= 0:
            os.close(self._keys)
        self.bot.kill()
        self.bot.communicate()


def test_a_first_start_is_agreed_to_once_at_the_keyboard(on_prod: Path) -> None:
    """Ctrl-C and Ctrl-D at the question touch nothing, and are no agreement. After "yes" the next start needs no
    keyboard."""
    for keys, code in (("", 0), ("\x04", 2)):
        refused = Terminal(on_prod, keyboard=True)
        refused.type(keys)
        assert (refused.bot.wait(30) if keys else stop(refused.bot, signal.SIGINT)[0]) == code
        refused.close()
    told = read(on_prod / "trade.log")
    assert "Not confirmed; nothing was touched" in told
    assert told.count("Agreement: needed") == 2
    assert "[CANCEL ORDER]" not in told
    assert "[OPEN ORDER]" not in told
    agreed = Terminal(on_prod, keyboard=True)
    agreed.type("yes\n")
    assert agreed.leave("[CYCLE] Number: 1 ") == 0, "the account is cleared"
    agreed.close()
    again = Terminal(on_prod, "m.MAX_CAPITAL = 60")
    assert again.leave("[NEW SESSION]") == 0
    assert "Agreement: needed" not in again.told
    again.close()
