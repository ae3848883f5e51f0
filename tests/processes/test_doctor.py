"""`python main.py doctor` as a newcomer meets it: real processes, in a copy of the project as a clone would be."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from commands import doctor
from exchange.clock import how_to_set
from tests.support.project import copy_of_the_product

KALSHI_ID = "0b0c5a1e-8a43-4ab1-a3d4-4f5f2a5d8c11"


def private_key(path: Path) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return path


@dataclass
class Findings:
    code: int
    output: str

    def line(self, what: str) -> str:
        """The one line of a check: its mark and what it says."""
        found = re.findall(rf"^  (ok|FAIL|note|-) +{re.escape(what)}  +(.*)$", self.output, re.MULTILINE)
        assert len(found) == 1, self.output
        return " ".join(found[0])

    @property
    def failed(self) -> list[str]:
        return re.findall(r"^  FAIL  (.{14})", self.output, re.MULTILINE)

    @property
    def summary(self) -> str:
        return self.output.splitlines()[-1]


def python(clone: Path, *arguments: str, **variables: str) -> Findings:
    """Run Python in the clone. The proxy leads nowhere: what is sent to this machine must not go through one."""
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "HTTP_PROXY": "http://127.0.0.1:9", "TZ": "UTC", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
    )
    assert "Traceback" not in process.stdout
    assert not re.search(r"[A-Za-z0-9+]{60}", process.stdout), "a piece of a key or a signature"
    return Findings(process.returncode, process.stdout)


def examined(clone: Path, **variables: str) -> Findings:
    return python(clone, "main.py", "doctor", **variables)


def set_env(clone: Path, environment: str) -> None:
    file = clone / "market_bot.py"
    changed = file.read_text().replace("\nenv = Environment.SIM\n", f"\nenv = {environment}\n")
    assert changed != file.read_text()
    file.write_text(changed)


@dataclass
class Served:
    """A simulator on a port, the id that it knows and the file of its key."""

    url: str
    key_id: str
    key_file: Path

    def env(self, **other: str) -> str:
        values = {"URL": self.url, "KEYID": self.key_id, "KEYFILE": str(self.key_file)} | other
        return "".join(f"DEMO_{name}={value}\n" for name, value in values.items())


def serve(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--port", "0", "--programs", "40", "--key-file", "k.pem", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told: dict[str, str] = {}
    while "DEMO_KEYFILE" not in told:
        line = process.stdout.readline()
        assert line, "the simulator does not start"
        name, _, value = line.strip().partition("=")
        told[name] = value
    return process, Served(told["DEMO_URL"], told["DEMO_KEYID"], Path(told["DEMO_KEYFILE"]))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One simulator for all tests that only look."""
    process, simulator = serve(copy_of_the_product(tmp_path_factory.mktemp("served")))
    yield simulator
    process.kill()
    process.communicate()


@pytest.fixture
def on_demo(clone: Path, served: Served) -> Path:
    """A clone whose settings and `.env` are right for the served simulator as the demo exchange."""
    set_env(clone, "Environment.DEMO")
    (clone / ".env").write_text(served.env())
    return clone


# -- the newcomer ------------------------------------------------------------------------------------------------


def test_nothing_configured_is_ready_for_the_simulator(clone: Path) -> None:
    found = examined(clone)
    assert found.code == 0, found.output
    assert found.summary.startswith("Ready")
    assert found.line("Python").startswith("ok 3.")
    assert found.line("Packages").startswith(("ok requests ", "note requests "))
    assert "nothing is needed" in found.line(".env")
    assert "opened for this command alone" in found.line("Exchange")
    assert re.search(r"ok [A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:00 UTC to .* \d\d:00 UTC", found.line("Next pause"))
    assert "tier basic" in found.line("Limits")
    assert "shard 0: $991.9011" in found.line("Cash")
    assert "129 in 121 markets" in found.line("Programs")
    assert "env SIM, TRADE_SIZE 1, TRADE_DELTA 0.01" in found.line("Settings")
    assert "2 resting orders ($4.9000)" in found.line("At a start")
    assert "2 positions" in found.line("At a start")
    assert "order     KXHIGHCHI" in found.output
    assert not (clone / "trade.log").exists(), "a look leaves no file"


def test_demo_with_nothing_configured_says_what_to_do(clone: Path) -> None:
    set_env(clone, "Environment.DEMO")
    found = examined(clone)
    assert found.code == 2
    assert found.line(".env").startswith("FAIL not set: DEMO_KEYID and DEMO_KEYFILE")
    assert "cp .env.example .env" in found.line(".env")
    assert "API key on the demo site" in found.line(".env")
    assert found.line("Key file") == "- not checked: there is none yet"
    for what in ("Exchange", *doctor.BEYOND_STATUS):
        assert found.line(what) == "- not checked: it needs .env and the key file"
    assert found.summary == f"Not ready. Fix first: .env. Then check again: {sys.executable} main.py doctor"


def test_an_example_not_filled_in_is_known_as_such(clone: Path) -> None:
    """If a person copies the example file and fills in nothing, or the id alone, the doctor names what is the
    example's still, and exits with 2."""
    set_env(clone, "Environment.DEMO")
    shutil.copy(clone / ".env.example", clone / ".env")
    found = examined(clone)
    assert found.code == 2
    assert found.line(".env").startswith("FAIL DEMO_KEYID still has the example's value. Replace it with the id")
    example = (clone / ".env").read_text()
    (clone / ".env").write_text(example.replace("your_demo_api_key_id", KALSHI_ID))
    found = examined(clone)
    assert found.code == 2
    assert found.line("Key file").startswith("FAIL DEMO_KEYFILE still has the example's value. Replace it with")


def test_a_wrong_path_is_told_together_with_a_missing_id(on_demo: Path, served: Served) -> None:
    (on_demo / ".env").write_text(served.env(KEYFILE="nowhere.pem", KEYID=""))
    found = examined(on_demo)
    assert found.code == 2
    assert "DEMO_KEYID has no value in .env." in found.line(".env")
    assert "nowhere.pem cannot be read (No such file or directory). Set DEMO_KEYFILE" in found.line("Key file")


def test_a_key_of_the_other_environment_is_guessed_as_such(on_demo: Path, served: Served) -> None:
    key_file = private_key(on_demo / "real.pem")
    (on_demo / ".env").write_text(served.env(KEYID=KALSHI_ID, KEYFILE=str(key_file)))
    found = examined(on_demo)
    assert found.code == 1
    assert found.failed == ["Signature     "]
    assert "does not know the id in DEMO_KEYID. Is it the other environment's?" in found.line("Signature")
    assert found.line("Exchange").startswith("ok 127.0.0.1 (no real money is involved); trading")
    assert found.line("Cash") == "- not checked: it needs an accepted signature"
    assert KALSHI_ID not in found.output
    assert KALSHI_ID[:8] not in found.output


def test_a_variable_that_is_set_but_empty_is_told_as_that(on_demo: Path, served: Served) -> None:
    """The terminal's empty one goes before the one in .env: nothing else says why there seems to be none."""
    (on_demo / ".env").write_text(served.env())
    found = examined(on_demo, DEMO_KEYID="", DEMO_URL=" ")
    assert found.code == 2
    told = "DEMO_KEYID is set, but empty, in this terminal, which takes precedence over .env: unset DEMO_KEYID"
    assert told in found.line(".env")
    found = examined(on_demo, DEMO_KEYFILE=" ")
    assert "DEMO_KEYFILE is set, but empty, in this terminal" in found.line(".env")
    assert found.line("Key file") == "- not checked: there is none yet"


def test_a_relative_key_file_is_in_the_projects_folder(on_demo: Path, served: Served, tmp_path: Path) -> None:
    """From wherever the command is typed."""
    shutil.copy(served.key_file, on_demo / "mine.pem")
    (on_demo / "mine.pem").chmod(0o600)
    (on_demo / ".env").write_text(served.env(KEYFILE="mine.pem"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, str(on_demo / "main.py"), "doctor"]
    found = subprocess.run(
        command, cwd=elsewhere, capture_output=True, text=True, timeout=30, env={"PATH": os.environ["PATH"]}
    )
    assert found.returncode == 0, found.stdout
    assert "mine.pem is a private key, readable by you alone" in found.stdout


def test_a_key_file_that_is_no_key_is_told(on_demo: Path, served: Served) -> None:
    (on_demo / "key.txt").write_text("AKIA-not-a-key")
    (on_demo / ".env").write_text(served.env(KEYFILE="key.txt"))
    found = examined(on_demo)
    assert found.code == 2
    assert re.match(r"FAIL DEMO_KEYFILE: \S+/key.txt holds no private key", found.line("Key file"))
    assert "AKIA" not in found.output


def test_the_right_id_with_another_private_key_is_told(on_demo: Path, served: Served) -> None:
    (on_demo / ".env").write_text(served.env(KEYFILE=str(private_key(on_demo / "other.pem"))))
    found = examined(on_demo)
    assert found.code == 1
    assert "is not the private key of the id in DEMO_KEYID" in found.line("Signature")
    assert served.key_id not in found.output


def test_a_clock_ten_minutes_off_is_only_a_note(clone: Path) -> None:
    """The bot corrects such a clock, so the doctor exits with 0. It tells the difference and how to set the
    clock."""
    set_env(clone, "Environment.DEMO")
    (clone / "late.json").write_text('[{"do": "clock_jump", "seconds": 600, "on": "*"}]')
    process, simulator = serve(clone, "--faults", "late.json")
    try:
        (clone / ".env").write_text(simulator.env())
        found = examined(clone)
    finally:
        process.kill()
        process.communicate()
    assert found.code == 0, found.output
    assert re.search(r"clock is (599|600|601) s behind the exchange's", found.line("Clock"))
    assert f"but set the clock{how_to_set()}" in found.line("Clock")
    assert found.line("Signature").startswith("ok accepted")


# -- and the rest ------------------------------------------------------------------------------------------------


def test_all_is_right_and_the_exchange_is_left_as_it_was(on_demo: Path, served: Served) -> None:
    def held() -> object:
        truth = requests.get(served.url.replace("/trade-api/v2", "/simulator/statement"), timeout=5).json()
        return [truth[part] for part in ("orders", "cash") if part in truth]

    log = on_demo / "trade.log"
    log.write_text("2026-01-16 18:05:57 [START] earlier\n")
    before, written = held(), log.stat().st_mtime_ns
    assert before
    found = examined(on_demo)
    assert (log.read_text(), log.stat().st_mtime_ns) == ("2026-01-16 18:05:57 [START] earlier\n", written)
    assert found.code == 0, found.output
    assert held() == before
    assert found.summary.startswith("Ready")
    assert found.line(".env") == "ok DEMO_KEYID and DEMO_KEYFILE are set"
    assert "readable by you alone" in found.line("Key file")
    assert found.line("Clock") == "ok agrees with the exchange's"
    assert served.key_id not in found.output


def test_variables_of_the_terminal_are_told_for_they_win(on_demo: Path, served: Served) -> None:
    (on_demo / ".env").write_text("DEMO_KEYID=forgotten\n")
    found = examined(on_demo, DEMO_URL=served.url, DEMO_KEYID=served.key_id, DEMO_KEYFILE=str(served.key_file))
    assert found.code == 0, found.output
    assert found.line(".env").startswith(
        "note DEMO_KEYID and DEMO_KEYFILE are set; DEMO_KEYID and DEMO_KEYFILE in"
    )
    assert "DEMO_KEYID is set differently from .env in this terminal" in found.line(".env")
    assert "To use .env: unset DEMO_KEYID" in found.line(".env")
    assert "forgotten" not in found.output


def test_a_key_that_others_may_read_is_a_note(on_demo: Path, served: Served) -> None:
    key_file = on_demo / "open.pem"
    shutil.copy(served.key_file, key_file)
    key_file.chmod(0o644)
    (on_demo / ".env").write_text(served.env(KEYFILE=str(key_file)))
    found = examined(on_demo)
    assert found.code == 0, found.output
    assert found.line("Key file").startswith("note DEMO_KEYFILE")
    assert f"(mode 644): chmod 600 {key_file}" in found.line("Key file")


def test_a_wrong_address_is_told(on_demo: Path, served: Served) -> None:
    (on_demo / ".env").write_text(served.env(URL="http://external-api.demo.kalshi.co/trade-api/v2"))
    found = examined(on_demo)
    assert found.code == 2
    assert found.line(".env").startswith("FAIL DEMO_URL must begin with https://")
    (on_demo / ".env").write_text(served.env(URL=served.url.replace("/trade", "/elsewhere/trade")))
    found = examined(on_demo)
    assert found.code == 1
    assert re.search("404 .*. Check DEMO_URL, if .env sets it", found.line("Exchange"))


def test_a_simulator_that_is_not_running_is_one_line(clone: Path, served: Served) -> None:
    """The doctor takes seconds, fails at the exchange alone and says how to start the simulator."""
    began = time.monotonic()
    (clone / ".env").write_text(
        f"SIM_URL=http://127.0.0.1:9/trade-api/v2\nSIM_KEYID=x\nSIM_KEYFILE={served.key_file}\n"
    )
    found = examined(clone)
    assert time.monotonic() - began < 6
    assert found.code == 1
    assert found.failed == ["Exchange      "]
    assert "no connection could be made" in found.line("Exchange")
    assert f"In another terminal: {sys.executable} -m simulator" in found.line("Exchange")
    for what in doctor.BEYOND_STATUS:
        assert found.line(what) == "- not checked: it needs the exchange"


def test_the_settings_of_the_served_simulator_incomplete(clone: Path, served: Served) -> None:
    (clone / ".env").write_text(f"SIM_URL={served.url}\n")
    assert "Put the SIM_ lines" in examined(clone).line(".env")
    key_file = private_key(clone / "k.pem")
    (clone / ".env").write_text(f"SIM_URL={served.url}\nSIM_KEYID=sim-0\nSIM_KEYFILE={key_file}\n")
    assert "Put the lines that this simulator printed" in examined(clone).line("Signature")


def test_prod_is_looked_at_as_what_it_is(on_demo: Path, served: Served) -> None:
    (on_demo / "market_bot.py").write_text(
        (on_demo / "market_bot.py").read_text().replace("\nenv = Environment.DEMO\n", "\nenv = Environment.PROD\n")
    )
    (on_demo / ".env").write_text(served.env().replace("DEMO_", "PROD_"))
    found = examined(on_demo)
    assert found.code == 0
    assert found.line("Settings").startswith("note")
    assert "env PROD (REAL MONEY)" in found.line("Settings")
    assert "REAL MONEY" in found.line("Exchange")
    assert found.line("Signature").startswith("ok")


@pytest.mark.parametrize("name", ["trade.log", "trade.jsonl"])
def test_a_log_that_cannot_be_written_fails(clone: Path, name: str) -> None:
    set_env(clone, "Environment.DEMO")
    source = (clone / "market_bot.py").read_text()
    (clone / "market_bot.py").write_text(source.replace("\nLOG_JSON = False\n", "\nLOG_JSON = True\n"))
    (clone / name).mkdir()
    found = examined(clone)
    assert found.code == 2
    assert re.search(rf"FAIL \S+/{name} cannot be written \(Is a directory\)", found.line("Log"))
    assert found.line(".env").startswith("FAIL"), "the rest is checked all the same"
    assert found.summary.startswith("Not ready. Fix first: Log, then .env. Then check again: ")


def test_missing_packages_are_one_line_and_no_traceback(clone: Path) -> None:
    found = python(clone, "-S", "main.py", "doctor")
    assert found.code == 2
    assert found.line("Packages").startswith("FAIL requests, cryptography, python-dotenv missing.")
    assert "pip install --require-hashes -r requirements.lock" in found.line("Packages")
    assert found.line("The rest").startswith("- not checked")
    (clone / ".venv" / "bin").mkdir(parents=True)
    assert ".venv/bin/python main.py doctor" in python(clone, "-S", "main.py", "doctor").line("Packages")
    for program in ("main", "market_bot"):
        plain = python(clone, "-S", f"{program}.py")
        assert plain.code == 2
        assert len(plain.output.splitlines()) == 1
        assert plain.output.startswith(f"{program}: a package is missing or broken (No module named")


BLOCKS = """
import os, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["BLOCKED"]:
            raise ImportError(f"cannot load {name}")
sys.meta_path.insert(0, Block())
"""


@pytest.mark.parametrize("part", ["requests", "dotenv", "urllib3", "cryptography.hazmat.bindings._rust"])
@pytest.mark.parametrize("command", [["market_bot.py"], ["main.py"], ["main.py", "doctor"]])
def test_a_package_that_cannot_be_loaded_is_a_line(clone: Path, command: list[str], part: str) -> None:
    """It is there, but a part of it is not, or is another machine's: no traceback, and nothing was sent."""
    (clone / "sitecustomize.py").write_text(BLOCKS)
    found = python(clone, *command, PYTHONPATH=str(clone), BLOCKED=part)
    assert found.code == 2
    assert f"a package is missing or broken (cannot load {part})" in found.output


def test_a_machine_without_time_zones_is_told(on_demo: Path) -> None:
    """Without time zones the next pause may be an hour off. The doctor says so at that line and names the
    package to install. The package may be here, as a part of another one: it is blocked."""
    (on_demo / "sitecustomize.py").write_text(BLOCKS)
    found = examined(on_demo, PYTHONTZPATH="", PYTHONPATH=str(on_demo), BLOCKED="tzdata")
    assert found.code == 0, found.output
    assert f"has no time zone data: {sys.executable} -m pip install tzdata" in found.line("Next pause")


def old_python() -> str | None:
    """One that starts: what lies on the path may be a stand-in for a version that is not installed."""
    for name in ("python3.9", "python3.8"):
        found = shutil.which(name)
        if found and subprocess.run([found, "--version"], capture_output=True, timeout=20).returncode == 0:
            return found
    return None


@pytest.mark.parametrize("command", [["main.py", "doctor"], ["main.py"], ["market_bot.py"]])
def test_a_python_that_is_too_old_is_told_in_a_line(clone: Path, command: list[str]) -> None:
    found = old_python()
    if found is None:
        pytest.skip("no Python before 3.10 here")
    old = [found, *command]
    done = subprocess.run(old, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    assert done.returncode == 2
    assert "3.10 or newer is needed" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    "name", ["main.py", "runtime/__init__.py", "runtime/console.py", "runtime/signals.py", "runtime/preflight.py"]
)
def test_an_old_python_can_read_the_check_of_its_version(clone: Path, name: str) -> None:
    """The files that tell a person that Python is too old are valid Python 3.8."""
    ast.parse((clone / name).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_help_tells_the_exit_codes(clone: Path) -> None:
    found = python(clone, "main.py", "doctor", "--help")
    assert found.code == 0
    assert "exit code: 0 nothing failed" in found.output
