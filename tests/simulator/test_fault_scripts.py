"""Scripts of faults: a rule that strikes another request than it says would prove the wrong thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.faults import KINDS, UnusableFaults, read_faults
from tests.support.faulty_exchange import CREATE, Client, open_with
from tests.support.project import noted


def test_no_fault_can_be_added_without_a_test_that_shows_it() -> None:
    assert noted("shows", Path(__file__).parent.glob("test_*.py")) == set(KINDS)


# -- which requests are struck ---------------------------------------------------------------------------------


def struck(client: Client, times: int, path: str = "/exchange/status") -> str:
    """What becomes of so many reads, a second apart: x for a 503."""
    seen = ""
    for number in range(times):
        client.wait_until(number)
        seen += "x" if client.send("GET", path).status_code == 503 else "."
    return seen


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, "xxxxxxxx"),
        ({"skip": 3}, "...xxxxx"),
        ({"times": 2}, "xx......"),
        ({"skip": 1, "times": 2}, ".xx....."),
        ({"times": 0}, "........"),
        ({"chance": 0}, "........"),
        ({"chance": 1}, "xxxxxxxx"),
        ({"from": 3}, "...xxxxx"),
        ({"until": 3}, "xxx....."),
        ({"from": 2, "until": 5}, "..xxx..."),
        ({"from": 2, "skip": 1, "times": 1}, "...x...."),
        ({"on": "GET /exchange/status"}, "xxxxxxxx"),
        ({"on": "* /exchange/*"}, "xxxxxxxx"),
        ({"on": "GET /exchange"}, "........"),
        ({"on": "POST /exchange/status"}, "........"),
        ({"on": "GET /portfolio/*"}, "........"),
    ],
)
def test_a_rule_strikes_the_requests_it_names_and_no_others(rule: dict[str, Any], expected: str) -> None:
    assert struck(open_with({"do": "503"} | rule), 8) == expected


def test_a_query_does_not_hide_a_request_from_its_rule() -> None:
    assert struck(open_with({"do": "503", "on": "GET /markets"}), 2, "/markets?limit=1") == "xx"


def test_the_same_seed_strikes_the_same_requests() -> None:
    """Another seed strikes other requests."""
    rule = {"do": "503", "chance": 0.5}
    first, same, other = (struck(open_with(rule, seed=seed), 60) for seed in (5, 5, 6))
    assert first == same != other
    assert 15 <= first.count("x") <= 45


def test_what_one_rule_strikes_another_counts_for_itself() -> None:
    """Rules that are added, or strike by chance, do not shift each other's dice."""
    rule = {"do": "503", "chance": 0.5}
    alone = struck(open_with({"do": "latency", "seconds": 0}, rule), 30)
    assert struck(open_with({"do": "latency", "seconds": 0, "chance": 0.5, "times": 3}, rule), 30) == alone


# -- scripts that cannot be used -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ('"reset_before"', "must be an object"),
        ("{}", "unknown fault None"),
        ('{"do": "earthquake"}', "unknown fault 'earthquake'; choose from refused, "),
        ('{"do": ["429"]}', "do may not be"),
        ('{"do": "429", "when": 3}', "unknown field when"),
        ('{"do": "429", "on": "/portfolio/orders"}', "on must be like"),
        ('{"do": "429", "on": 3}', "on may not be 3"),
        ('{"do": "429", "skip": true}', "skip may not be True"),
        ('{"do": "429", "skip": 1.5}', r"skip may not be 1\.5"),
        ('{"do": "429", "skip": -1}', "skip and times must not be negative"),
        ('{"do": "429", "times": -1}', "skip and times must not be negative"),
        ('{"do": "429", "times": "2"}', "times may not be '2'"),
        ('{"do": "429", "chance": 1.1}', "chance must be 0 to 1"),
        ('{"do": "429", "chance": NaN}', "chance may not be nan"),
        ('{"do": "429", "chance": null}', "chance may not be None"),
        ('{"do": "429", "from": -1}', "from must not be negative"),
        ('{"do": "429", "from": 60, "until": 60}', "must come before until"),
        ('{"do": "429", "until": Infinity}', "until may not be inf"),
        ('{"do": "429", "acted": 1}', "acted may not be 1"),
        ('{"do": "latency"}', "latency needs seconds"),
        ('{"do": "latency", "seconds": NaN}', "seconds may not be nan"),
        ('{"do": "latency", "seconds": -1}', "seconds must not be negative"),
        (f'{{"do": "latency", "seconds": 1{"0" * 400}}}', "seconds may not be 1000"),
        ('{"do": "stale"}', "stale needs seconds"),
        ('{"do": "clock_jump"}', "clock_jump needs seconds"),
        ('{"do": "missing_field"}', "missing_field needs field"),
        ('{"do": "halted", "from": 5}', "halted needs ticker"),
        ('{"do": "settles", "on": "*"}', "settles needs ticker"),
        ('{"do": "settles", "ticker": "KXM-1", "result": "maybe"}', "result must be yes or no"),
        ('{"do": "settles", "ticker": "KXM-1", "value": 101}', "value must be 0 to 100 cents"),
        (
            '{"do": "settles", "ticker": "KXM-1", "value": 5, "result": "no"}',
            "result and value exclude each other",
        ),
        ('{"do": "cash_deposited", "amount": 5, "fee": 5}', "fee must be at least 0 and less than amount"),
        ('{"do": "new_grid", "ticker": "KXM-1", "grid": "round"}', "grid must be one of linear, tapered, deci"),
        ('{"do": "stranger", "ticker": "KXM-1"}', "stranger needs name"),
        ('{"do": "stranger", "name": "a"}', "stranger needs ticker"),
        ('{"do": "stranger", "ticker": "KXM-1", "name": "a.b"}', "name must be 1 to 32 characters"),
        ('{"do": "partial_fill", "ticker": "KXM-1", "part": 0}', "part must be more than 0"),
        ('{"do": "partial_fill", "ticker": "KXM-1", "part": 1.5}', "at most 1"),
        ('{"do": "hole", "from": 5}', "hole needs ticker"),
        ('{"do": "hole", "ticker": "KXM-1", "side": "both"}', "side must be bid or ask"),
        ('{"do": "cash_moved", "amount": NaN}', "amount may not be nan"),
        ('{"do": "order_refused", "status": 500}', "status must be 400 to 499"),
        ('{"do": "order_refused", "side": "yes"}', "side must be bid or ask"),
        ('{"do": "order_refused", "code": 400}', "code may not be 400"),
        ('{"do": "cash_moved", "amount": -5}', "amount must be more than 0"),
        ('{"do": "cash_moved", "source": 1}', "source and destination must be two of"),
        ('{"do": "cash_moved", "destination": 9}', "source and destination must be two of"),
        ('{"do": "trading_paused", "shards": 2}', "shards may not be 2"),
        ('{"do": "trading_paused", "shards": [9]}', "shards must be one or more of"),
        ('{"do": "trading_paused", "shards": [[0]]}', "shards must be one or more of"),
        ('{"do": "trading_paused", "shards": [true]}', "shards must be one or more of"),
        ('{"do": "trading_paused", "shards": []}', "shards must be one or more of"),
        ('{"do": "key_revoked", "times": 1}', "key_revoked also needs on"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_by_its_number(tmp_path: Path, rule: str, why: str) -> None:
    script = tmp_path / "faults.json"
    script.write_text(f'[{{"do": "429", "times": 1}}, {rule}]')
    with pytest.raises(UnusableFaults, match=why) as refused:
        read_faults(script)
    assert str(refused.value).startswith(f"{script}, rule 2: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[{", "is not JSON"),
        (b"", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"do": "429"}', "a script must be a list of rules"),
        (b"null", "a script must be a list of rules"),
    ],
)
def test_a_file_that_is_no_script_is_refused_by_its_name(tmp_path: Path, text: bytes | None, why: str) -> None:
    script = tmp_path / "faults.json"
    if text is not None:
        script.write_bytes(text)
    with pytest.raises(UnusableFaults, match=why) as refused:
        read_faults(script)
    assert str(script) in str(refused.value)


def test_a_script_of_every_kind_is_taken(tmp_path: Path) -> None:
    needs = {"seconds": 5, "field": "order_id", "name": "bot-7-"}
    rules = [{"do": kind, "on": CREATE} | needs for kind in KINDS]
    script = tmp_path / "faults.json"
    script.write_text(json.dumps(rules))
    assert [rule.do for rule in read_faults(script)] == list(KINDS)


def test_a_script_with_a_market_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnusableFaults, match="rule 1: there is no market KXNOPE-1"):
        open_with({"do": "halted", "ticker": "KXNOPE-1", "from": 10})
