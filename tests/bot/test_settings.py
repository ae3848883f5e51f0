"""Settings and credentials: a typo must cost a second, not money."""

from __future__ import annotations

import re
import stat
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import market_bot
from bot import settings
from bot.connection import connect, read_variables
from bot.settings import AUTO
from clients import Environment
from exchange.errors import ConfigError
from simulator.keyfile import UnusableKey, key_id, read_or_make

SHIPPED = {name: getattr(market_bot, name) for name in settings.NAMES}


def test_the_owners_settings_have_their_defaults() -> None:
    """All settings of the owner are there and reach the bot."""
    rules = settings.check_settings(SHIPPED)
    assert rules.env is Environment.SIM
    assert rules.trade_size == 1
    assert rules.trade_delta == 1
    assert (rules.wait_time, rules.expiration_ts) == (60, 60)
    assert rules.trade_ticker_size == 2
    assert rules.incentive_size == 300
    assert rules.only == ()
    assert {"KX*15M*", "*MENTION*", "KXMVE*"} < set(rules.avoid)
    assert (rules.max_capital, rules.max_event_loss) == (100, 20)
    assert rules.min_hours_to_close == 6
    assert (rules.min_reward, rules.fill_cost) == (0, 0.03)
    assert rules.scan_time == 600


def test_every_setting_stands_at_the_top_with_a_comment() -> None:
    """The top of market_bot has each setting with its comment and no other name."""
    source = Path(market_bot.__file__).read_text(encoding="utf-8")
    section = source.partition("# Settings --")[2].partition("# End of the settings --")[0]
    lines = section.splitlines()
    found = {line.split(" ")[0]: number for number, line in enumerate(lines) if re.match(r"\w+ = ", line)}
    assert set(found) == set(settings.NAMES)
    for name, number in found.items():
        assert lines[number - 1].startswith("# ") or name == "AVOID", f"{name} has no comment of its own"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRADE_SIZE", 0),
        ("TRADE_SIZE", -1),
        ("TRADE_SIZE", 0.005),
        ("TRADE_SIZE", float("nan")),
        ("TRADE_SIZE", "1"),
        ("TRADE_SIZE", True),
        ("TRADE_DELTA", 0.005),
        ("TRADE_DELTA", -0.01),
        ("TRADE_DELTA", 1),
        ("WAIT_TIME", 0),
        ("WAIT_TIME", float("inf")),
        ("WAIT_TIME", 1e18),
        ("EXPIRATION_TS", 1_441),
        ("EXPIRATION_TS", 0),
        ("TRADE_TICKER_SIZE", 1.5),
        ("TRADE_TICKER_SIZE", 0),
        ("INCENTIVE_SIZE", -1),
        ("INCENTIVE_SIZE", "none"),
        ("env", "DEMO"),
        ("TRADE_SIZE", "auto"),
        ("TRADE_SIZE", None),
        ("ONLY", "KXHIGH*"),
        ("ONLY", ("",)),
        ("ONLY", ("KXHIGH*", 5)),
        ("AVOID", "*"),
        ("AVOID", None),
        ("MAX_CAPITAL", 0),
        ("MAX_CAPITAL", -100),
        ("MAX_CAPITAL", "$100"),
        ("MAX_CAPITAL", float("inf")),
        ("MAX_CAPITAL", None),
        ("MAX_EVENT_LOSS", 0),
        ("MAX_EVENT_LOSS", -1),
        ("MAX_EVENT_LOSS", float("nan")),
        ("MIN_HOURS_TO_CLOSE", -1),
        ("MIN_HOURS_TO_CLOSE", 9_000),
        ("MIN_HOURS_TO_CLOSE", "6h"),
        ("MIN_REWARD", -0.01),
        ("MIN_REWARD", "1"),
        ("MIN_REWARD", None),
        ("FILL_COST", -0.03),
        ("FILL_COST", 1.01),
        ("FILL_COST", True),
        ("SCAN_TIME", 0),
        ("SCAN_TIME", -600),
        ("SCAN_TIME", 86_401),
        ("SCAN_TIME", None),
        ("WATCH_TIME", 0),
        ("WATCH_TIME", 0.5),
        ("WATCH_TIME", 86_401),
        ("WATCH_TIME", "5"),
        ("DAILY_LOSS_LIMIT", 0),
        ("DAILY_LOSS_LIMIT", "25"),
        ("EXIT", "cross"),
        ("EXIT", None),
        ("FILL_PAUSE", -1),
        ("FILL_PAUSE", 86_401),
        ("FILL_LIMIT", 0.5),
        ("FILL_LIMIT", 1_000_001),
        ("FILL_LIMIT", 2.005),
        ("TRUST_RULE", "2026-07-31"),
        ("TRUST_RULE", "none"),
        ("TRUST_RULE", ""),
        ("TRUST_RULE", True),
        ("TRUST_RULE", 2026),
        ("TRUST_RULE", ["2026-07-30"]),
        ("TRADE_SISE", 5),
    ],
)
def test_an_impossible_or_unknown_setting_is_named(name: str, value: object) -> None:
    """The check names the setting before the bot sends anything."""
    with pytest.raises(ConfigError, match=name):
        settings.check_settings(SHIPPED | {name: value})


@pytest.mark.parametrize("name", [name for name in settings.NAMES if name != "TRADE_SIZE"])
def test_auto_is_refused_where_only_a_person_can_say(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} = 'AUTO': must be"):
        settings.check_settings(SHIPPED | {name: AUTO})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("max_capital", "MAX_CAPITAL"), ("MaxCapital", "MAX_CAPITAL"), ("MAXCAPITAL", "MAX_CAPITAL"),
        ("TRADE_SIEZ", "TRADE_SIZE"), ("ENV", "env"), ("Env", "env"), ("FILLCOST", "FILL_COST"),
        ("DAILY_LOSS_LIMITS", "DAILY_LOSS_LIMIT"), ("exit", "EXIT"), ("log_Details", "LOG_DETAIL"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_told_with_the_one_that_is_near(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"Unknown setting {name} \(did you mean {meant}\?\): fix the spelling"):
        settings.check_settings(SHIPPED | {name: 3})


def test_a_name_that_is_near_none_is_only_unknown() -> None:
    with pytest.raises(ConfigError, match="Unknown setting NUMBER_OF_FRIENDS: fix the spelling or remove it"):
        settings.check_settings(SHIPPED | {"NUMBER_OF_FRIENDS": 3})


def test_a_small_letter_setting_anywhere_in_the_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of the program itself, such as functions and classes, are no misspelt settings."""
    assert settings.lookalikes(vars(market_bot)) == set()
    monkeypatch.setattr(market_bot, "max_event_loss", 3, raising=False)
    with pytest.raises(ConfigError, match=r"max_event_loss \(did you mean MAX_EVENT_LOSS"):
        market_bot.read_settings()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MAX_CAPITAL", "$200", r"must be a number, without quotes, \$"),
        ("FILL_COST", "3%", "must be a number, without quotes"),
        ("MAX_CAPITAL", (1, 0), "must be one number: write 1000, not 1,000"),
        ("EXIT", "cross", "must be .CROSS. or .REST., with quotes"),
        ("env", "SIM", "must be Environment.SIM, Environment.DEMO or Environment.PROD, without quotes"),
        ("LOG_DETAIL", "True", "must be True or False, without quotes"),
        ("LOG_DETAIL", 1, "must be True or False"),
        ("LOG_JSON", "False", "must be True or False, without quotes"),
        ("LOG_JSON", None, "must be True or False"),
        ("TRUST_RULE", "2027-01-01", "must be None, or the name of a rule that this bot knows, .*: .2026-07-30."),
    ],
)
def test_a_wrong_kind_of_value_says_how_to_write_it(name: str, value: object, told: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} = .*: {told}"):
        settings.check_settings(SHIPPED | {name: value})


def test_auto_is_a_size_and_one_contract_is_not_auto() -> None:
    assert settings.check_settings(SHIPPED | {"TRADE_SIZE": AUTO}).trade_size is None
    assert settings.check_settings(SHIPPED | {"TRADE_SIZE": 1}).trade_size == 1


def test_auto_typed_in_market_bot_as_its_comment_says_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_bot, "TRADE_SIZE", AUTO)
    assert market_bot.read_settings().trade_size is None


def test_a_setting_that_is_missing_is_named() -> None:
    for name in settings.NAMES:
        with pytest.raises(ConfigError, match=f"{name} is missing"):
            settings.check_settings({other: value for other, value in SHIPPED.items() if other != name})


def test_the_edges_of_what_is_possible_are_possible() -> None:
    edges = {
        "ONLY": ["KXHIGH*"], "AVOID": (), "MAX_CAPITAL": 0.01, "MAX_EVENT_LOSS": 0.01, "MIN_HOURS_TO_CLOSE": 0,
        "MIN_REWARD": 0.01, "FILL_COST": 1, "SCAN_TIME": 1, "INCENTIVE_SIZE": 0, "TRADE_SIZE": 0.01,
    }  # fmt: skip
    rules = settings.check_settings(SHIPPED | edges)
    assert (rules.only, rules.avoid) == (("KXHIGH*",), ())
    assert (rules.max_capital, rules.max_event_loss, rules.min_reward) == (Decimal("0.01"),) * 3
    assert (rules.min_hours_to_close, rules.fill_cost, rules.scan_time) == (0, 1, 1)


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"TRADE_SIZE.*WAIT_TIME"):
        settings.check_settings(SHIPPED | {"TRADE_SIZE": 0, "WAIT_TIME": 0})


def test_a_decimal_typed_as_a_float_is_taken_as_it_was_typed() -> None:
    rules = settings.check_settings(SHIPPED | {"TRADE_SIZE": 0.07, "TRADE_DELTA": 0.29, "INCENTIVE_SIZE": None})
    assert rules.trade_size == Decimal("0.07")
    assert rules.trade_delta == 29
    assert rules.incentive_size is None


# -- keys and addresses ------------------------------------------------------------------------------------


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "demo.pem"
    path.write_bytes(pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    return {"DEMO_KEYID": "an-id", "DEMO_KEYFILE": str(path)}


def test_a_complete_env_connects_to_the_demo_exchange(variables: dict[str, str]) -> None:
    assert connect(Environment.DEMO, variables).about["Exchange"] == "external-api.demo.kalshi.co"


@pytest.mark.parametrize("variable", ["DEMO_KEYID", "DEMO_KEYFILE"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_variable_is_named(variables: dict[str, str], variable: str, value: str | None) -> None:
    with pytest.raises(ConfigError, match=rf"{variable} is not set.*\.env"):
        connect(Environment.DEMO, {**variables, variable: value or ""})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no private key"),
        (b"not a key", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "no private key"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=2048), b"secret"), "password"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
    ],
)
def test_a_file_that_is_no_usable_key_says_what_it_should_be(
    variables: dict[str, str], content: bytes, told: str
) -> None:
    Path(variables["DEMO_KEYFILE"]).write_bytes(content)
    with pytest.raises(ConfigError, match=f"DEMO_KEYFILE.*{told}") as error:
        connect(Environment.DEMO, variables)
    assert "MIIB" not in str(error.value)


@pytest.mark.parametrize(
    "pasted",
    ["MC4CAQAwBQYDK2VwBCIEIJ+f/8Xk0x7nq3d5r6yT2bVZ9mQpLwAeRtYuIoPaSd", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"],
)
def test_a_key_or_an_id_in_place_of_the_path_is_not_repeated(variables: dict[str, str], pasted: str) -> None:
    with pytest.raises(ConfigError, match="not shown") as error:
        connect(Environment.DEMO, variables | {"DEMO_KEYFILE": pasted})
    assert pasted[:12] not in str(error.value)


def test_a_key_file_that_is_not_there_or_a_folder_is_named(variables: dict[str, str], tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.pem", tmp_path):
        with pytest.raises(ConfigError, match=f"DEMO_KEYFILE: the key file {path} cannot be read"):
            connect(Environment.DEMO, variables | {"DEMO_KEYFILE": str(path)})


@pytest.mark.parametrize(
    "url",
    [
        "http://external-api.demo.kalshi.co/trade-api/v2",
        "http://127.0.0.1.evil.example/trade-api/v2",
        "ftp://127.0.0.1/trade-api/v2",
        "https://external-api.demo.kalshi.co",
        "https://external-api.demo.kalshi.co/trade-api/v2?x=1",
        "https://me:hunter2@external-api.demo.kalshi.co/trade-api/v2",
        "external-api.demo.kalshi.co/trade-api/v2",
        "https:///trade-api/v2",
        "https://[::1/trade-api/v2",
        "https://host.example:99999/trade-api/v2",
        "https://host.example:abc/trade-api/v2",
    ],
)
def test_orders_never_go_out_in_the_clear_or_to_half_an_address(variables: dict[str, str], url: str) -> None:
    with pytest.raises(ConfigError, match=r"DEMO_URL (must|is not an address)") as error:
        connect(Environment.DEMO, variables | {"DEMO_URL": url})
    assert "hunter2" not in str(error.value), "a password in the address is not repeated"


@pytest.mark.parametrize("host", ["external-api.kalshi.com", "api.elections.KALSHI.com", "kalshi.com."])
def test_real_money_is_not_reached_under_another_name(variables: dict[str, str], host: str) -> None:
    with pytest.raises(ConfigError, match="real money"):
        connect(Environment.DEMO, variables | {"DEMO_URL": f"https://{host}/trade-api/v2"})
    connect(Environment.DEMO, variables | {"DEMO_URL": "https://notkalshi.com/trade-api/v2"})


def test_a_key_pasted_in_place_of_its_path_is_not_repeated(variables: dict[str, str]) -> None:
    key = Path(variables["DEMO_KEYFILE"]).read_text()
    for pasted in (key, key.replace("\n", "\\n"), f"/keys/{'x' * 300}", "~nobody-here/x.pem", "a\0b"):
        with pytest.raises(ConfigError, match="DEMO_KEYFILE") as error:
            connect(Environment.DEMO, variables | {"DEMO_KEYFILE": pasted})
        assert "BEGIN" not in str(error.value)
        assert key[60:90] not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://host.example/trade-api/v2",
        "http://127.0.0.1:8080/trade-api/v2/",
        "http://localhost/trade-api/v2",
        "http://[::1]:8080/trade-api/v2",
    ],
)
def test_an_exchange_may_be_somewhere_else(variables: dict[str, str], url: str) -> None:
    connect(Environment.DEMO, variables | {"DEMO_URL": url})


def test_a_variable_of_the_process_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DEMO_KEYID=from-file\nDEMO_KEYFILE=/from/file\n")
    monkeypatch.setenv("DEMO_KEYID", "from-process")
    found = read_variables(tmp_path / ".env")
    assert (found["DEMO_KEYID"], found["DEMO_KEYFILE"]) == ("from-process", "/from/file")


def test_an_env_file_that_is_no_text_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00DEMO")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        read_variables(tmp_path / ".env")


def test_the_simulators_key_is_its_owners_alone(tmp_path: Path) -> None:
    """Only the owner can read the file, and the key is the same next time. A file that is no key is refused and
    stays as it is."""
    path = tmp_path / "simulator-key.pem"
    first = read_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_id(read_or_make(path)) == key_id(first)
    path.chmod(0o644)
    read_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("something precious of somebody else")
    with pytest.raises(UnusableKey):
        read_or_make(path)
    assert path.read_text() == "something precious of somebody else"
