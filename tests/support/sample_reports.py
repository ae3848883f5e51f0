"""Reports made by hand, in the forms that a page must handle."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from ledger.entries import AccruedSeconds
from report.build import Accuracy, Cash, Hour, Markout, Report, Result, Row
from report.reward_payments import Unexplained, Window, WindowState

D = Decimal
UNTIL = datetime(2026, 11, 24, 7, 12, tzinfo=timezone.utc)
HOSTILE = "<script>document.title='pwned'</script><img src=http://evil.example/x onerror=alert(1)>&\"'"
TICKERS = (
    "KXHIGHTSFO-26NOV24-B58.5", "KXHIGHNY-26NOV24-B41.5", "KXAAAGASD-26NOV23-T5", "KXCPI-26DEC21-T5", HOSTILE,
    "KXHIGHCHI-26NOV24-B1.5", "KXALBUMTOP-26DEC24-T1", "KXBTCD-26NOV2417-T98999.99", "KXRAINNYC-26NOV24-T0",
)  # fmt: skip


def report(days: int = 7, markets: int = 20, scale: str = "1", seed: int = 1) -> Report:
    """A report of `days` days and `markets` markets; figures are of a few dollars, times `scale`."""
    chance = random.Random(seed)
    since = UNTIL.replace(hour=0, minute=0) - timedelta(days=days - 1, hours=-5)
    names = [(UNTIL - timedelta(days=ago)).date().isoformat() for ago in reversed(range(days))]

    def cents(low: int, high: int) -> Decimal:
        return D(chance.randint(low, high)) / 100 * D(scale)

    def money(spread: int) -> Result:
        return Result(
            credited=cents(0, 400) if chance.random() < 0.6 else D(0), spread=cents(0, spread), exits=cents(0, 40),
            fees=cents(5, 60), moves=cents(-300, 150),
        )  # fmt: skip

    def seconds() -> AccruedSeconds:
        present = chance.uniform(3_600, 100_000)
        qualified, excluded = present * chance.uniform(0.4, 0.8), present * chance.uniform(0, 0.2)
        return AccruedSeconds(present, qualified, excluded, present - qualified - excluded, qualified * 0.04, 1.0)

    def row(name: str, money: Result) -> Row:
        return Row(name, money, seconds(), chance.randint(0, 40), cents(0, 9_000), chance.uniform(20, 60))

    of_days = [row(name, money(300)) for name in names]
    estimates = Result(expected=D("3.10") * D(scale), running=D("1.25") * D(scale))
    of_days[-1] = of_days[-1]._replace(money=of_days[-1].money + estimates)
    of_markets = [
        row(TICKERS[place] if place < len(TICKERS) else f"KXHIGHMIA-26NOV{place}-B70.5", money(200))
        for place in range(markets)
    ]
    of_markets.append(Row("KXNOTHING-26NOV24", seconds=AccruedSeconds(60.0, unknown=60.0)))
    of_markets.sort(key=lambda market: -market.money.net)
    return Report(
        "trade-sim.db", "simulated", since, UNTIL, 3, _sum(of_days), of_days, of_markets,
        [row(name, money(300)) for name in ("KXHIGHTSFO", "KXHIGHNY", "KXCPI")],
        [_window(chance, place, D(scale)) for place in reversed(range(3 * days))],
        markouts(), Cash(since, UNTIL, D("100.00"), D("104.21"), D("-3.40"), D("0"), D("8.11"), D("-0.50")),
        [Unexplained(since, since + timedelta(hours=2), D("-0.50"), "it went: rewards come")],
        Accuracy(7, D("9.40"), D("10.68")),
    )  # fmt: skip


def first_day(hours: int = 23) -> Report:
    """The first `hours` hours of a bot's first day, and a bit of the next hour."""
    chance, whole = random.Random(1), report(1)
    whole = replace(whole, since=UNTIL - timedelta(hours=hours, minutes=48), before_bot=D("-12.34"))
    found, trading, fees, money = [], D(0), D(0), whole.total.money
    for place in range(hours):
        trading += D(chance.randint(-40, 30)) / 100
        fees += D(chance.randint(0, 5)) / 100
        at = whole.since.replace(minute=0) + timedelta(hours=1 + place)
        found.append(Hour(at, D("2.00") if place > 3 else D(0), trading, fees))
    return replace(whole, hours=[*found, Hour(UNTIL, money.credited, money.trading, money.fees)])


def empty() -> Report:
    """The ledger of a bot that has just started."""
    return Report("trade.db", "simulated", UNTIL, UNTIL, 0, Row("all"), [], [], [], [], [], None, [], None)


def unfilled(days: int = 2) -> Report:
    """Orders rested and none was filled."""
    full = report(days)
    none = [Markout(point.point, 0, D(0), D(0), 0.0, 0) for point in full.markouts]
    rested = [row._replace(money=Result(), fills=0, contracts=D(0)) for row in full.days]
    markets = [row._replace(money=Result(), fills=0, contracts=D(0)) for row in full.markets]
    return replace(
        full, days=rested, markets=markets, series=[], markouts=none, total=_sum(rested), unexplained=[],
        accuracy=None,
    )  # fmt: skip


def markouts() -> list[Markout]:
    return [
        Markout("before", 214, D(900), D("7.20"), -31.0, 2),
        Markout("after", 216, D(902), D("2.26"), 29.5, 0),
        Markout("5 min", 210, D(880), D("-3.08"), 302.0, 6),
        Markout("1 h", 190, D(800), D("-9.20"), 3_612.0, 26),
        Markout("settlement", 150, D(640), D("-6.08"), 91_000.0, 66),
    ]


def _sum(rows: Iterable[Row]) -> Row:
    found = Row("all")
    for row in rows:
        found = Row(
            "all", found.money + row.money, found.seconds + row.seconds, found.fills + row.fills,
            found.contracts + row.contracts, found.capital + row.capital,
        )  # fmt: skip
    return found


def _window(chance: random.Random, place: int, scale: Decimal) -> Window:
    state = list(WindowState)[place % len(WindowState)]
    end = UNTIL - timedelta(hours=9 * place)
    estimate = D(chance.randint(100, 300)) / 100 * scale
    credit = (estimate * D("1.12")).quantize(D("0.01")) if state is WindowState.CREDITED else None
    return Window(
        f"p{place}", TICKERS[place % len(TICKERS)], end - timedelta(days=1), end, D(100), float(estimate),
        float(estimate), estimate, state, credit, end if credit else None, 3 if credit and place % 4 == 2 else 1,
    )  # fmt: skip
