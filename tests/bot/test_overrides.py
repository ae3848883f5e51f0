"""Settings of single markets: an entry that does less or more than it says quotes a size that nobody wanted."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

import market_bot
from bot import agreement, overrides, settings
from bot.settings import AUTO
from clients import Environment
from exchange.errors import ConfigError
from simulator.listing import DAY
from tests.support.bench import Bench, MakeBench, trade_cycles

SHIPPED = {name: getattr(market_bot, name) for name in settings.NAMES}


def checked(written: object, **others: object) -> settings.Settings:
    return settings.check_settings(SHIPPED | others | {"OVERRIDES": written})


def problems(written: object, **others: object) -> list[str]:
    with pytest.raises(ConfigError) as error:
        checked(written, **others)
    return str(error.value).removesuffix(". The settings are at the top of market_bot.py.").split("; ")


# -- what may be written ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (None, "OVERRIDES = None: must be settings by ticker pattern"),
        (("KXHIGH*",), 'such as {"KXHIGH*": {"TRADE_SIZE": 20, "TRADE_DELTA": 0.02}}, or {} for none'),
        ({"": {"TRADE_SIZE": 5}}, "OVERRIDES: '' must be a ticker pattern with quotes"),
        ({5: {"TRADE_SIZE": 5}}, "OVERRIDES: 5 must be a ticker pattern with quotes"),
        ({("KXHIGH*",): {"TRADE_SIZE": 5}}, "('KXHIGH*',) must be a ticker pattern with quotes"),
        ({"KXHIGH*": {}}, 'OVERRIDES["KXHIGH*"] = {}: must be settings of these markets, such as {"TRADE_SIZE"'),
        ({"KXHIGH*": 20}, 'OVERRIDES["KXHIGH*"] = 20: must be settings of these markets'),
        ({"TRADE_SIZE": 20}, 'OVERRIDES["TRADE_SIZE"] = 20: must be settings of these markets'),
        ({"KXHIGH*": ("TRADE_SIZE", 20)}, "must be settings of these markets"),
        ({"KXHIGH*": {1: 20}}, 'OVERRIDES["KXHIGH*"]: 1 must be the name of a setting with quotes'),
        ({"KXHIGH*": {"TRADE_SIEZ": 5}}, "Unknown setting TRADE_SIEZ (did you mean TRADE_SIZE?): fix the sp"),
        ({"KXHIGH*": {"fill_cost": 0}}, "Unknown setting fill_cost (did you mean FILL_COST?)"),
        ({"KXHIGH*": {"MAX_CAPITAL": 5}}, "MAX_CAPITAL is no setting of single markets; possible here: TRADE_S"),
        ({"KXHIGH*": {"FRIENDS": 5}}, "FRIENDS is no setting of single markets; possible here: TRADE_SIZE, T"),
        ({"KXHIGH*": {"TRADE_SIZE": 0}}, 'OVERRIDES["KXHIGH*"]: TRADE_SIZE = 0: must be a number of contracts a'),
        ({"KXHIGH*": {"TRADE_SIZE": None}}, "TRADE_SIZE = None: must be a number of contracts"),
        ({"KXHIGH*": {"TRADE_SIZE": AUTO}}, "TRADE_SIZE = 'AUTO': must be a number of contracts: AUTO sizes al"),
        ({"KXHIGH*": {"TRADE_DELTA": 0.005}}, 'OVERRIDES["KXHIGH*"]: TRADE_DELTA = 0.005: must be 0.00, 0.01'),
        ({"KXHIGH*": {"INCENTIVE_SIZE": -1}}, "INCENTIVE_SIZE = -1: must be a number of contracts, 0 or more, or"),
        ({"KXHIGH*": {"MIN_HOURS_TO_CLOSE": "6h"}}, "MIN_HOURS_TO_CLOSE = '6h': must be a number, without quotes"),
        ({"KXHIGH*": {"MIN_REWARD": -1}}, "MIN_REWARD = -1: must be a number of dollars, 0 or more"),
        ({"KXHIGH*": {"FILL_COST": 2}}, "FILL_COST = 2: must be at most 1 dollar per contract"),
    ],
)  # fmt: skip
def test_a_slip_is_named_with_its_place_and_the_remedy(written: object, told: str) -> None:
    assert told in "; ".join(problems(written))


def test_a_size_in_an_entry_is_not_told_to_be_auto() -> None:
    """AUTO would be refused there too."""
    for size in (0, "many"):
        assert "AUTO" not in "; ".join(problems({"KXHIGH*": {"TRADE_SIZE": size}}))


@pytest.mark.parametrize(
    ("written", "others", "told"),
    [
        (
            {"KXHIGH*": {"FILL_COST": 0}, "kxhigh*": {"FILL_COST": 1}}, {},
            'OVERRIDES["kxhigh*"]: is the same pattern as "KXHIGH*", because case does not matter',
        ),
        (
            {"KX*": {"FILL_COST": 0}, "KXHIGH*": {"FILL_COST": 1}}, {},
            'OVERRIDES["KXHIGH*"]: no market takes it, because "KX*" before it matches them all: put it first',
        ),
        (
            {"KXHIGH*": {"FILL_COST": 0}}, {"AVOID": ("*RAIN*", "kxhi*")},
            'OVERRIDES["KXHIGH*"]: has no effect, because "kxhi*" of AVOID excludes its markets',
        ),
        (
            {"KXHIGH*": {"TRADE_SIZE": 5}}, {"TRADE_SIZE": AUTO},
            'OVERRIDES["KXHIGH*"]: TRADE_SIZE = 5: contradicts TRADE_SIZE = AUTO, which sizes all markets',
        ),
    ],
)  # fmt: skip
def test_an_entry_that_could_never_hold_is_refused(
    written: dict[str, object], others: dict[str, object], told: str
) -> None:
    (problem,) = problems(written, **others)
    assert told in problem


def test_patterns_that_share_only_some_markets_are_taken() -> None:
    """The narrow one first, or neither within the other. AVOID may exclude a part of them."""
    entries = {
        "KXHIGHNY*": {"FILL_COST": 0},
        "KXHIGH*": {"FILL_COST": 1},
        "KX?": {"FILL_COST": 0.5},
        "KX*": {"FILL_COST": 0},
    }
    found = checked(entries, AVOID=("KXHIGHCHI*",))
    assert [one.pattern for one in found.overrides] == list(entries)


def test_every_wrong_entry_is_told_with_the_other_settings() -> None:
    """One start, one list: nobody fixes one slip at a time."""
    written = {"KX*": {"FILL_COST": 2, "TRADE_SIZE": 0}, "kxhigh*": {"FRIENDS": 1}, "": {}, "KXRAIN*": 5}
    found = "; ".join(problems(written, WAIT_TIME=0, TRADE_SIZE=-1, AVOID=5))
    for told in (
        "WAIT_TIME = 0", "TRADE_SIZE = -1", "AVOID = 5", 'OVERRIDES["KX*"]: FILL_COST = 2',
        'OVERRIDES["KX*"]: TRADE_SIZE = 0', 'OVERRIDES["kxhigh*"]: no market', 'OVERRIDES["kxhigh*"]: FRIENDS',
        "OVERRIDES: ''", 'OVERRIDES["KXRAIN*"] = 5',
    ):  # fmt: skip
        assert found.count(told) == 1, told


def test_the_log_shows_each_entry_as_it_shows_settings() -> None:
    assert checked({}).in_words()["OVERRIDES"] == "none"
    written = {
        "KXHIGH*": {"TRADE_SIZE": 20, "TRADE_DELTA": 0.02},
        "KXRAIN*": {"INCENTIVE_SIZE": None, "MIN_HOURS_TO_CLOSE": 2, "MIN_REWARD": 3, "FILL_COST": 0.01},
    }
    assert checked(written).in_words()["OVERRIDES"] == (
        "KXHIGH*: TRADE_SIZE 20, TRADE_DELTA 0.02; "
        "KXRAIN*: INCENTIVE_SIZE None, MIN_HOURS_TO_CLOSE 2 h, MIN_REWARD $3, FILL_COST $0.01"
    )


# -- real money --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "own", "dollars"), [(5, 20, 20), (20, 5, 20), (5, 5_000, 100), (AUTO, None, 100), (5, None, 5)]
)
def test_the_agreement_is_about_the_largest_order_anywhere(size: object, own: object, dollars: int) -> None:
    entry: dict[str, object] = {"FILL_COST": 0.01} if own is None else {"TRADE_SIZE": own}
    found = checked({"KXNONE*": {"FILL_COST": 0}, "KXHIGH*": entry}, TRADE_SIZE=size)
    assert agreement.limits_of(found)[agreement.LARGEST_ORDER] == dollars


@pytest.mark.slow
def test_a_larger_size_of_one_market_is_agreed_to_anew(make_bench: MakeBench) -> None:
    """Nothing is touched before, and the line on the sizes tells it."""
    bench = make_bench(TRADE_SIZE=5)
    bench.confirm = lambda _: True
    bench.restart(env=Environment.PROD)
    assert bench.run(cycles=1) is None
    bench.confirm, sent = None, len(bench.wire.sent)
    bench.restart(overrides=checked({"KXRAIN*": {"TRADE_SIZE": 6}}).overrides)
    assert bench.run(cycles=1) == 2
    assert {request.method for request in bench.wire.sent[sent:]} == {"GET"}
    assert "Largest order is $6.00, agreed was $5.00" in bench.events("REAL MONEY")[-1]
    assert any("TRADE_SIZE: 5 contracts an order, 6 in KXRAIN* |" in line for line in bench.events("REAL MONEY"))


# -- what the exchange sees --------------------------------------------------------------------------------------

VALUES: dict[str, object] = {
    "TRADE_SIZE": 7, "TRADE_DELTA": 0.03, "INCENTIVE_SIZE": 220, "MIN_HOURS_TO_CLOSE": 24 * 30, "MIN_REWARD": 20,
    "FILL_COST": 1,
}  # fmt: skip
"""Values that change what is quoted under `WIDE`."""

WIDE: dict[str, Any] = {
    "TRADE_SIZE": 10, "FILL_COST": 0.002, "TRADE_TICKER_SIZE": 50, "MAX_CAPITAL": 1_000,
    "MAX_EVENT_LOSS": 1_000, "MIN_REWARD": 0.01,
}  # fmt: skip
"""Room for every market, so that none takes another one's slot or money."""

Quotes = dict[tuple[str, bool], tuple[int, int]]
"""By market and side: price and size."""


def quotes(make_bench: MakeBench, cycles: int = 1, **changed: object) -> Quotes:
    """What rests after some cycles. People trade on the board."""
    bench: Bench = make_bench(past=DAY, **(WIDE | changed))
    trade_cycles(bench, cycles)
    return {(order.ticker, order.is_bid): (order.price, order.size) for order in bench.resting()}


def of(family: str, found: Quotes, is_in: bool = True) -> Quotes:
    return {place: quote for place, quote in found.items() if place[0].startswith(family) is is_in}


@pytest.mark.slow
@pytest.mark.parametrize("name", overrides.NAMES)
def test_an_entry_decides_for_its_markets_and_no_others(make_bench: MakeBench, name: str) -> None:
    """Its markets are quoted as if the setting were the general one, and all others as without the entry."""
    general, own = quotes(make_bench), quotes(make_bench, **{name: VALUES[name]})
    found = quotes(make_bench, OVERRIDES={"kxcpi*": {name: VALUES[name]}})
    assert of("KXCPI", own) != of("KXCPI", general), "the value makes a difference"
    assert of("KXCPI", found) == of("KXCPI", own)
    assert of("KXCPI", found, False) == of("KXCPI", general, False) != {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [(name, 10) for name in overrides.NAMES] + [(name, AUTO) for name in overrides.NAMES[1:]]
)
def test_an_entry_for_all_markets_is_the_general_setting(make_bench: MakeBench, name: str, size: object) -> None:
    """With scarce slots and money, with `AUTO`, and in each of three cycles."""
    scarce = {"TRADE_SIZE": size, "TRADE_TICKER_SIZE": 2, "MAX_CAPITAL": 100, "MAX_EVENT_LOSS": 20}
    own = quotes(make_bench, 3, **(scarce | {name: VALUES[name]}))
    assert own != quotes(make_bench, 3, **scarce), "the value makes a difference"
    assert quotes(make_bench, 3, **scarce, OVERRIDES={"*": {name: VALUES[name]}}) == own


@pytest.mark.slow
def test_the_first_entry_that_matches_counts_alone(make_bench: MakeBench) -> None:
    """What it does not name is the general setting, although a later entry names it."""
    written = {
        "KXCPI-*-T5": {"FILL_COST": 0.001}, "KXCPI*": {"TRADE_SIZE": 7},
        "KX*": {"TRADE_SIZE": 4, "TRADE_DELTA": 0.01},
    }  # fmt: skip
    found = quotes(make_bench, OVERRIDES=written, MIN_REWARD=0)
    sizes = {place[0]: size for place, (_, size) in found.items()}
    assert sizes["KXCPI-26DEC21-T5"] == 1_000
    others = {size for ticker, size in sizes.items() if ticker.startswith("KXCPI") and not ticker.endswith("-T5")}
    assert others == {700}
    assert {size for ticker, size in sizes.items() if not ticker.startswith("KXCPI")} == {400}


@pytest.mark.slow
def test_auto_stays_out_of_the_markets_of_a_dear_entry(make_bench: MakeBench) -> None:
    """The other five settings work with sizes that the bot chooses itself."""
    sized = WIDE | {"TRADE_SIZE": AUTO, "TRADE_TICKER_SIZE": 3, "MAX_CAPITAL": 200}
    bench = make_bench(**sized)
    choice = bench.bot.start_trading()
    assert choice is not None
    busiest = max(choice.chosen, key=lambda candidate: candidate.conservative.fills_per_day).ticker
    for own in ({"FILL_COST": 1}, {"MIN_REWARD": 10_000}, {"MIN_HOURS_TO_CLOSE": 8_000}, {"INCENTIVE_SIZE": 0}):
        left = make_bench(**sized, OVERRIDES={busiest: own})
        left.bot.start_trading()
        rest = {order.ticker for order in left.resting()}
        assert rest, own
        assert busiest not in rest, own


@pytest.mark.slow
def test_the_cost_of_a_sale_is_compared_with_its_own_market(make_bench: MakeBench) -> None:
    """The question before real money says that `CROSS` costs more than the `FILL_COST` of the market it names."""
    bench = make_bench(TRADE_SIZE=20, MAX_CAPITAL=500)
    bench.confirm = lambda _: True
    bench.restart(env=Environment.PROD, overrides=checked({"*": {"FILL_COST": 0.007}}).overrides)
    bench.run(cycles=1)
    (line,) = [line for line in bench.events("REAL MONEY") if "] CROSS: " in line]
    assert "that is more than FILL_COST ($0.007)" in line


@pytest.mark.slow
def test_the_exchange_may_fill_the_largest_quote_anywhere(make_bench: MakeBench) -> None:
    """Its own limit on fills counts the size of the entry. The general size would cancel all after a part fill."""
    bench = make_bench(**(WIDE | {"OVERRIDES": {"KXCPI*": {"TRADE_SIZE": 12}}}))
    bench.bot.start_trading()
    (market,) = bench.client.get_markets(["KXCPI-26DEC21-T5"])
    limits = {
        match[1]: match[2]
        for line in bench.events("INFO")
        if (match := re.search(r"Shard: (\d+) \| Order group: .* more than (\d+) contract", line))
    }
    assert Decimal(limits[str(market.shard)]) == 12
