"""Where the log goes: through full disks, rotations, moved files and held terminals; the bot trades on."""

from __future__ import annotations

import logging
import os
import pty
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from exchange.errors import ConfigError
from runtime.log_format import entry
from runtime.log_output import LogFile, Repeats, open_log
from tests.support.bench import MakeBench, unavailable
from tests.support.project import PROJECT

pytestmark = pytest.mark.slow

MISSING = "  └─ {} entries are missing here: the log could not be written"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("trade", logging.INFO, "", 0, text, None, None)


class Log:
    """A log file and what it warned of."""

    def __init__(self, path: Path, size: int = 10_000, files: int = 3) -> None:
        self.warned: list[str] = []
        self.path, self.handler = path, LogFile(path, size, files, self.warned.append)

    def say(self, text: str) -> None:
        self.handler.emit(record(text))

    def read(self) -> str:
        return self.path.read_text(encoding="utf-8")


def test_a_log_begins_anew_when_it_is_full_and_no_line_is_lost(tmp_path: Path) -> None:
    log = Log(tmp_path / "trade.log", size=1_000, files=100)
    lines = [f"line {number} of some length, so that it is full soon" for number in range(200)]
    for line in lines:
        log.say(line)
    files = sorted(tmp_path.glob("trade.log.*"), key=lambda file: -int(file.suffix[1:]))
    assert len(files) > 5
    assert all(file.stat().st_size <= 1_000 for file in [*files, log.path])
    assert "".join(file.read_text() for file in [*files, log.path]).splitlines() == lines


def test_no_more_older_logs_are_kept_than_were_asked_for(tmp_path: Path) -> None:
    log = Log(tmp_path / "trade.log", size=1_000, files=2)
    for number in range(200):
        log.say(f"line {number} of some length, so that it is full soon")
    assert {file.name for file in tmp_path.iterdir()} == {"trade.log", "trade.log.1", "trade.log.2"}
    assert "line 199" in log.read()


def test_who_follows_the_log_misses_nothing_through_a_rotation(tmp_path: Path) -> None:
    log = Log(tmp_path / "trade.log", size=50)
    log.say("line 0")
    follow = ["tail", "-n", "+1", "-s", "0.05", "-F", str(log.path)]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as tail:
        try:
            assert tail.stdout is not None
            for number in range(1, 30):
                assert tail.stdout.readline() == f"line {number - 1}\n"
                log.say(f"line {number}")
        finally:
            tail.kill()
    assert (tmp_path / "trade.log.3").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_reported_once_and_does_not_stop_the_bot(tmp_path: Path) -> None:
    """The console shows one warning, and trading goes on. When the disk has room again, the log says how many
    lines are missing."""
    log = Log(tmp_path / "trade.log")
    log.say("before")
    kept = log.path.rename(tmp_path / "kept.log")
    log.path.symlink_to("/dev/full")
    for _ in range(3):
        log.say("lost")
    assert len(log.warned) == 1
    assert "No space left on device" in log.warned[0]
    assert "Trading goes on" in log.warned[0]
    log.path.unlink()
    kept.rename(log.path)
    log.say("after")
    assert log.read().splitlines() == ["before", MISSING.format(3), "after"]


def test_half_a_line_that_still_fitted_does_not_spoil_the_next(tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow beyond some bytes."""
    path = tmp_path / "trade.log"
    script = (
        "import resource, signal, sys; from pathlib import Path; from tests.runtime.test_log_output import Log\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"log = Log(Path({str(path)!r})); log.say('first')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))\n"
        "log.say('x' * 100); log.say('y' * 100)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2); log.say('last')\n"
        "assert len(log.warned) == 1, log.warned\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True, timeout=60)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "first"
    assert set(lines[1]) == {"x"}
    assert lines[-2:] == [MISSING.format(2), "last"]


def test_a_line_cut_by_a_kill_does_not_spoil_the_next_line(tmp_path: Path) -> None:
    """If the process was killed within a line, the first line of the next process starts on a line of its own."""
    path = tmp_path / "trade.log"
    path.write_text("2026-11-26 12:00:00 [CYC")
    Log(path).say("whole")
    assert path.read_text().splitlines()[-1] == "whole"


def test_a_log_that_was_moved_or_removed_goes_on(tmp_path: Path) -> None:
    """If a person moves or removes the log file, the bot writes a new one under the same name, without a
    warning."""
    log = Log(tmp_path / "trade.log")
    log.say("one")
    log.path.rename(tmp_path / "elsewhere")
    log.say("two")
    assert log.read() == "two\n"
    log.path.unlink()
    log.say("three")
    assert log.read() == "three\n"
    assert log.warned == []


@pytest.mark.skipif(os.name == "nt", reason="folders have other permissions there")
def test_a_log_that_cannot_begin_anew_grows_on(tmp_path: Path) -> None:
    log = Log(tmp_path / "trade.log", size=100)
    (tmp_path / "trade.log.1").mkdir()
    (tmp_path / "trade.log.1" / "in the way").touch()
    for number in range(20):
        log.say(f"line {number}")
    assert "line 19" in log.read()


def test_a_log_that_cannot_be_opened_stops_a_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="The bot does not start without a log"):
        open_log(tmp_path / "nowhere" / "trade.log")


def test_trading_goes_on_while_the_log_cannot_be_written(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=1)
    bench.log_file.unlink()
    bench.log_file.symlink_to("/dev/full")
    bench.run(cycles=3)
    assert len(bench.resting()) == 4
    bench.log_file.unlink()
    bench.run(cycles=2)
    assert "entries are missing here" in bench.log
    assert len(bench.events("CYCLE")) == 2


def test_a_terminal_that_is_held_does_not_hold_the_bot_up(tmp_path: Path) -> None:
    """Ctrl-S, a pager that waits, a text that is being marked: the terminal takes nothing, and nobody reads."""
    ours, theirs = pty.openpty()
    script = (
        "import sys; from pathlib import Path; from runtime.log_output import open_log\n"
        f"log = open_log(Path({str(tmp_path / 'trade.log')!r}))\n"
        "for number in range(3000): log.info(f'line {number} ' + 'x' * 60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT, stdout=theirs) as writer:
        try:
            assert writer.wait(timeout=20) == 0
        finally:
            writer.kill()
    os.close(ours)
    os.close(theirs)
    assert len((tmp_path / "trade.log").read_text().splitlines()) == 3_000


# -- the same again and again -----------------------------------------------------------------------------------


def test_a_repeated_error_does_not_flood_the_log() -> None:
    """An error that comes a thousand times is shown at once, but fewer than ten times in all. The later lines
    give its count."""
    repeats = Repeats()
    entries = [entry(NOW + timedelta(seconds=10 * number), "ERROR", "503") for number in range(1_000)]
    told = [str(one) for one in map(repeats.counted, entries) if one]
    assert told[0].endswith("[ERROR] 503")
    assert len(told) < 10
    assert any(" 503 | Times: 100 since " in text for text in told)


def test_another_fault_and_the_same_after_an_hour_are_told_anew() -> None:
    repeats = Repeats()
    first, other, later = (
        entry(NOW, "ERROR", "503"),
        entry(NOW, "ERROR", "no answer"),
        entry(NOW + timedelta(hours=2), "ERROR", "503"),
    )
    cycle = entry(NOW, "CYCLE", "the same")
    assert repeats.counted(first) == first
    assert repeats.counted(other) == other
    assert repeats.counted(first) is None
    assert repeats.counted(cycle) == repeats.counted(cycle) == cycle
    assert repeats.counted(later) == later


def test_an_outage_of_a_day_is_a_few_lines(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=2)
    bench.wire.fault = lambda *_: unavailable
    before = len(bench.log.splitlines())
    bench.run(cycles=288)
    lines = bench.log.splitlines()[before:]
    assert bench.exchange.clock.now() - NOW.replace(day=22, hour=15) > timedelta(hours=20)
    assert len([line for line in lines if "[ERROR]" in line]) < 60
    assert len([line for line in lines if "[OUTAGE]" in line]) == 1
    bench.wire.fault = None
    bench.run(cycles=2)
    assert len(bench.resting()) == 4
