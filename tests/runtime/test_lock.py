"""A lock whose file is removed while it is held: a second bot must still find that one runs."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.lock import AlreadyRuns, Lock, current_holder

WHAT = "trades on this account"


def remove(file: Path) -> None:
    file.unlink()


def remove_the_folder(file: Path) -> None:
    shutil.rmtree(file.parent)


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("process 1, since yesterday")
    other.replace(file)


def rename_the_folder(file: Path) -> None:
    file.parent.rename(file.parent.with_name("renamed"))


LOSSES: list[Callable[[Path], None]] = [remove, remove_the_folder, replace, rename_the_folder]


def handles() -> int:
    gc.collect()  # earlier tests' leavings
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "demo-1.lock"


@pytest.mark.parametrize("lose", LOSSES)
def test_a_lock_whose_file_is_lost_is_held_again(file: Path, lose: Callable[[Path], None]) -> None:
    before = handles()
    first = Lock(file, WHAT)
    assert not first.renew(), "it is in place"
    text = current_holder(file)
    lose(file)
    assert first.renew()
    assert not first.renew(), "once"
    assert current_holder(file) == text, "commands find the bot"
    with pytest.raises(AlreadyRuns):
        Lock(file, WHAT)
    first.release()
    assert handles() == before
    second = Lock(file, WHAT)
    assert second.left_by == "", "a clean end leaves no text"
    second.release()


@pytest.mark.parametrize("lose", LOSSES)
def test_a_bot_that_started_meanwhile_keeps_the_lock(file: Path, lose: Callable[[Path], None]) -> None:
    first = Lock(file, WHAT)
    lose(file)
    second = Lock(file, WHAT)
    for _ in range(2):
        with pytest.raises(AlreadyRuns, match="places nothing more"):
            first.renew()
    assert not second.renew()
    second.release()
    assert first.renew(), "the other one has ended"
    first.release()


def test_a_lock_that_cannot_be_held_again_is_tried_until_it_can(file: Path) -> None:
    lock = Lock(file, WHAT)
    shutil.rmtree(file.parent)
    file.parent.write_text("not a folder")
    for _ in range(2):
        with pytest.raises(OSError, match=r"[Nn]ot a directory"):
            lock.renew()
    file.parent.unlink()
    assert lock.renew()
    lock.release()
