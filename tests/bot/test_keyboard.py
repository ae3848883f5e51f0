"""Questions at the keyboard: a person who does not see one, or is gone, has not agreed."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest

from bot.launch import keyboard


def test_only_a_question_that_is_seen_can_be_agreed_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`yes` counts while the output shows the question. Once that leads nowhere, or the terminal is gone, it is
    no."""
    near, far = pty.openpty()
    with (
        os.fdopen(far) as person,
        (tmp_path / "output").open("w") as shown,
        Path(os.devnull).open("w") as null,
        Path(os.devnull).open() as nobody,
    ):
        monkeypatch.setattr(sys, "stdin", person)
        monkeypatch.setattr(sys, "stdout", null)
        assert keyboard() is None
        monkeypatch.setattr(sys, "stdout", shown)
        ask = keyboard()
        assert ask is not None
        os.write(near, b"yes\nno\nyes\n")
        assert (ask("Sell it?"), ask("Sell it?")) == (True, False)
        assert (tmp_path / "output").read_text() == "Sell it? Type yes: " * 2
        monkeypatch.setattr(sys, "stdout", null)
        assert not ask("Sell it?")
        monkeypatch.setattr(sys, "stdout", shown)
        assert ask("Sell it?"), "the third answer was not read"
        os.close(near)
        assert not ask("Sell it?"), "the terminal is gone"
        for stdin in (nobody, None):
            monkeypatch.setattr(sys, "stdin", stdin)
            assert keyboard() is None
