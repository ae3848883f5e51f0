"""trade.jsonl: the events of trade.log for programs, one object a line, through the same accidents."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import market_bot
from bot import launch
from clients import Environment
from market_bot import MarketBot
from runtime.log_format import entry
from runtime.log_output import json_path, open_log
from tests.support.bench import BUSY, Bench, MakeBench, unavailable
from tests.support.project import PROJECT

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)


def objects(file: Path) -> list[dict[str, Any]]:
    """The objects of a file, one a line."""
    return [json.loads(line) for line in file.read_text(encoding="ascii").splitlines()]


def as_text(told: dict[str, Any]) -> str:
    """What trade.log says of an event, made of its object alone."""
    said = (
        told["text"] if "text" in told else " | ".join(f"{key}: {value}" for key, value in told["fields"].items())
    )
    if "times" in told:
        said += f" | Times: {told['times']:,} since {told['since'][11:19]}"
    lines = [f"{told['at'][:19].replace('T', ' ')} [{told['event']}] {said}"]
    return "\n".join([*lines, *(f"  └─ {detail}" for detail in told.get("details", []))]) + "\n"


def objects_of(bench: Bench) -> list[dict[str, Any]]:
    return objects(json_path(bench.log_file))


@pytest.mark.slow
def test_both_files_tell_the_same_in_the_same_order(make_bench: MakeBench) -> None:
    """A busy hour, an outage whose error is counted, and all that stays the same: the text can be made of the
    objects."""
    bench = make_bench(**BUSY, LOG_JSON=True, LOG_DETAIL=True)
    bench.run(cycles=20)
    bench.wire.fault = lambda *_: unavailable
    bench.run(cycles=20)
    told = objects_of(bench)
    assert "".join(map(as_text, told)) == bench.log
    assert {"START", "ORDER BOOK", "OPEN ORDER", "KEEP ORDER", "FILL", "CYCLE", "ERROR", "OUTAGE"} <= {
        one["event"] for one in told
    }
    assert 10 in [one["times"] for one in told if "times" in one]
    assert {type(value) for one in told for value in one.get("fields", {}).values()} == {str}


def test_it_begins_anew_when_it_is_full_as_the_log_does(tmp_path: Path) -> None:
    """By the same size and number of files, each of the two on its own."""
    log = open_log(tmp_path / "trade.log", size=1_000, files=3, with_json=True)
    for number in range(100):
        log.info(entry(NOW, "INFO", {"Number": number}))
    names = ["trade.jsonl.3", "trade.jsonl.2", "trade.jsonl.1", "trade.jsonl"]
    assert sorted(file.name for file in tmp_path.glob("trade.jsonl*")) == sorted(names)
    assert all(700 < (tmp_path / name).stat().st_size <= 1_000 for name in names[:-1])
    numbers = [int(one["fields"]["Number"]) for name in names for one in objects(tmp_path / name)]
    assert numbers == list(range(numbers[0], 100)), "no event is lost between two files"
    assert (tmp_path / "trade.log.3").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("full", ["trade-0.log", "trade-0.jsonl"])
def test_a_full_file_costs_neither_trading_nor_the_other(
    tmp_path: Path, make_bench: MakeBench, capsys: pytest.CaptureFixture[str], full: str
) -> None:
    """One warning names the file that cannot be written. The other file has all that the terminal shows. The full
    one counts what it misses."""
    bench = make_bench(who=(), LOG_JSON=True, LOG_DETAIL=True)
    bench.run(cycles=1)
    file = (tmp_path / full).rename(tmp_path / "kept")
    (tmp_path / full).symlink_to("/dev/full")
    bench.run(cycles=3)
    assert len(bench.resting()) == 4
    file.replace(tmp_path / full)
    bench.run(cycles=1)
    shown = capsys.readouterr().out.splitlines(keepends=True)
    (warning,) = [line for line in shown if line.startswith("WARNING: ")]
    assert f"{tmp_path / full} cannot be written (No space left on device). Trading goes on." in warning
    shown.remove(warning)
    texts = [as_text(one) for one in objects_of(bench)]
    lines = [line for line in bench.log.splitlines() if not line.startswith("  └─")]
    if full == "trade-0.jsonl":
        assert bench.log == "".join(shown)
        counts = [one["missing"] for one in objects_of(bench) if "missing" in one]
    else:
        assert texts == re.split(r"(?<=\n)(?!  └─)", "".join(shown))[:-1]
        counts = [int(number) for number in re.findall(r"└─ (\d+) entries are missing here", bench.log)]
    assert counts == [abs(len(lines) - len(texts))]


@pytest.mark.slow
def test_half_an_object_that_still_fitted_spoils_no_other(tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow beyond some bytes. The half stays on a line of its own."""
    path = tmp_path / "trade.log"
    script = (
        "import resource, signal; from datetime import datetime; from pathlib import Path\n"
        "from runtime.log_format import entry; from runtime.log_output import open_log\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"log = open_log(Path({str(path)!r}), with_json=True)\n"
        "def say(text): log.info(entry(datetime.now(), 'INFO', text))\n"
        f"say('first'); size = Path({str(json_path(path))!r}).stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 120, resource.RLIM_INFINITY))\n"
        "say('…' * 100); say('lost')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2); say('last')\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True, timeout=60, stdout=subprocess.DEVNULL)
    first, half, last = json_path(path).read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["text"] == "first"
    with pytest.raises(json.JSONDecodeError):
        json.loads(half)
    assert (json.loads(last)["text"], json.loads(last)["missing"]) == ("last", 2)


def test_a_text_from_elsewhere_stays_within_its_line(tmp_path: Path) -> None:
    """Whatever breaks lines, in a sentence, a field or a detail. Other characters are kept as they are."""
    log = open_log(tmp_path / "trade.log", with_json=True)
    text = 'a\nb\r\nc\u2028d\x85e "…" \\ é\n2026-11-26 12:00:00 [HALT] forged'
    log.info(entry(NOW, "ERROR", text, [text]))
    log.info(entry(NOW, "ERROR", {"Answer": text}))
    log.info(entry(NOW, "INFO", "half a character: \udcff"))
    sentence, field, _ = objects(tmp_path / "trade.jsonl")
    kept = 'a b c d e "…" \\ é 2026-11-26 12:00:00 [HALT] forged'
    assert sentence["text"] == sentence["details"][0] == field["fields"]["Answer"] == kept


def test_it_goes_on_where_it_was_moved_or_removed(tmp_path: Path) -> None:
    log = open_log(tmp_path / "trade.log", with_json=True)
    file = tmp_path / "trade.jsonl"
    log.info(entry(NOW, "INFO", "one"))
    file.rename(tmp_path / "elsewhere")
    log.info(entry(NOW, "INFO", "two"))
    assert [one["text"] for one in objects(file)] == ["two"]
    file.unlink()
    log.info(entry(NOW + timedelta(hours=1), "INFO", "three"))
    assert [one["text"] for one in objects(file)] == ["three"]


def test_one_that_cannot_be_opened_stops_a_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One line names the file and the way out; the start looks no further."""
    file = tmp_path / "trade.jsonl"
    file.mkdir()
    wanted = partial(market_bot.read_settings, {"env": Environment.DEMO, "LOG_JSON": True})
    assert launch.start(wanted, market_bot.paths(), None, MarketBot) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert f"The log {file} cannot be written (Is a directory)" in line
    assert "LOG_JSON = False" in line
