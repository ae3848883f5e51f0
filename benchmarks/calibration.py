"""Measure how hard the simulator is on a market maker, and where.

Run it with `python -m benchmarks.calibration [--seeds N] [--days D] [--programs P] [--building]`. It prints what
a quoter at the touch earned and lost, with all simulated traders and with some left out. For comparison it prints
what makers measured on the real exchange. Then it prints what the fills cost by class, with everybody there.
The boards are held-out ones, on which nothing was tuned; `--building` takes the others.

Costs are cents per contract at the hidden value, each with its standard error, in which an event counts as one
observation:

* *5 min*: five minutes after the fill.
* *known*: 15 minutes after it, when no trader knows more than the value. Settlement brings this on average.
* *settled*: at settlement or at the run's end, with the luck of the outcomes.
* *last hour*: *known*, and in the next column *settled*, of the fills in the hour before a market's reading.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from benchmarks.harness import BUILDING_SEEDS, HELD_OUT_SEEDS
from benchmarks.quoter import Marked, Marks, Quoted, quote
from runtime.console import progress
from simulator.people import EVERYBODY, INFORMED, SWEEPS

MARKETS = 20

CASTS = {
    "everybody": EVERYBODY,
    "without the informed": EVERYBODY - {INFORMED},
    "without informed and sweeps": EVERYBODY - {INFORMED, SWEEPS},
}

Fills = list[Marked]
Gain = Callable[[Marked], float]
Bounds = dict[float, str]
"""Names of classes by their upper bound (exclusive), rising."""

HOURS: Bounds = {
    0.0: "after it", 0.25: "under 15 min", 1: "15 to 60 min", 6: "1 to 6 h", 24: "6 to 24 h", 96: "1 to 4 days",
    math.inf: "over 4 days",
}  # fmt: skip
TOUCH: Bounds = {200: "thin, under 200", 1_000: "busy, 200 to 999", math.inf: "crowded, 1,000 or more"}
EDGE: Bounds = {0.1: "under 10¢", 0.2: "10 to 19¢", 0.35: "20 to 34¢", math.inf: "35 to 50¢"}
ENOUGH = 200
"""Contracts with which a market counts in the spread over markets."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="boards to try (default 8)")
    parser.add_argument("--days", type=float, default=2.0, help="simulated days on each (default 2)")
    parser.add_argument(
        "--programs", type=int, default=60, help="programs of a board (default 60; 200: all kinds)"
    )
    parser.add_argument("--building", action="store_true", help="the boards on which the traders were tuned")
    arguments = parser.parse_args()
    seeds = (BUILDING_SEEDS if arguments.building else HELD_OUT_SEEDS)[: arguments.seeds]
    print(
        f"A quoter at the touch of {MARKETS} paid markets, boards {seeds[0]} to {seeds[-1]}, {arguments.days:g} "
        "days each, simulated."
    )
    print("Rewards, trading, net: dollars over all boards. Then cents per contract, with standard errors.")
    print("Makers on the real exchange: -2.8 after 5 min, -4.8 settled, -7.6 for fills of the last hour.\n")
    columns = ("contracts", "rewards", "trading", "net")
    per_contract = ("5 min", "known", "settled", "last hour", "it settled")
    print(" " * 28 + "".join(f"{c:>10}" for c in columns) + "".join(f"{c:>13}" for c in per_contract))
    results: dict[str, Marks] = {}
    with ProcessPoolExecutor() as pool:
        jobs = {
            name: [pool.submit(quote, who, s, MARKETS, arguments.days, arguments.programs) for s in seeds]
            for name, who in CASTS.items()
        }
        for number, (name, runs) in enumerate(jobs.items(), start=1):
            progress(f"{number} of {len(jobs)}: {name}")
            first, *others = [run.result() for run in runs]
            results[name] = sum(others, start=first)
            print(f"{name:28}{_line(results[name])}", flush=True)
    for line in _classes(list(results["everybody"].fills)):
        print(line)


def _line(marks: Marks) -> str:
    money = (marks.contracts, marks.rewards, marks.at_the_latest, marks.net)
    fills = list(marks.fills)
    late = [fill for fill in fills if 0 <= fill.hours < 1]
    told = [_cents(fills, gain) for gain in (_soon, _known, _settled)]
    told += [_cents(late, gain) for gain in (_known, _settled)]
    return "".join(f"{value:10,.0f}" for value in money) + "".join(told)


def _classes(fills: Fills) -> Iterator[str]:
    """Lines on what the fills cost, by class."""
    volumes = [market.volume for _, market in {(fill.event, fill.market) for fill in fills}]
    low, high = statistics.quantiles(volumes, n=3)
    volume: Bounds = {low: "the lowest third", high: "the middle", math.inf: "the highest third"}
    classes: tuple[tuple[str, Callable[[Marked], tuple[int, str]]], ...] = (
        ("series kind", lambda fill: (0, fill.market.kind)),
        ("hours to the reading", lambda fill: _class(HOURS, fill.hours)),
        ("volume of the day before", lambda fill: _class(volume, fill.market.volume)),
        ("contracts at the best price", lambda fill: _class(TOUCH, fill.market.at_the_touch)),
        ("price, from the nearer edge", lambda fill: _class(EDGE, fill.from_the_edge)),
    )
    for title, class_of in classes:
        grouped: dict[tuple[int, str], Fills] = defaultdict(list)
        for fill in fills:
            grouped[class_of(fill)].append(fill)
        yield f"\n{title:28}{'contracts':>10}{'events':>10}{'5 min':>13}{'known':>13}"
        for (_, name), found in sorted(grouped.items()):
            contracts, events = sum(fill.contracts for fill in found), len({fill.event for fill in found})
            yield f"{name:28}{contracts:10,.0f}{events:10,}{_cents(found, _soon)}{_cents(found, _known)}"
    yield f"\n{_spread(fills)}"


def _class(bounds: Bounds, value: float) -> tuple[int, str]:
    """The class of a value: its place and its name."""
    return next((place, name) for place, (bound, name) in enumerate(bounds.items()) if value < bound)


def _spread(fills: Fills) -> str:
    """How far markets differ, in a line."""
    by_market: dict[tuple[str, Quoted], Fills] = defaultdict(list)
    for fill in fills:
        by_market[fill.event, fill.market].append(fill)
    known = [cents(found, _known)[0] for found in by_market.values() if sum(f.contracts for f in found) >= ENOUGH]
    if len(known) < 2:
        return "Too few fills for the spread over markets."
    tenths = statistics.quantiles(known, n=10)
    return (
        f"{len(known)} markets with {ENOUGH} contracts or more, *known*: the worst tenth below {tenths[0]:.1f}¢, "
        f"half below {tenths[4]:.1f}¢, the best tenth above {tenths[8]:.1f}¢."
    )


def _soon(fill: Marked) -> float:
    return fill.after_five_minutes


def _known(fill: Marked) -> float:
    return fill.known


def _settled(fill: Marked) -> float:
    return fill.at_the_latest


def _cents(fills: Fills, gain: Gain) -> str:
    """Cents per contract with the standard error, in 13 columns."""
    if not fills:
        return " " * 13
    mean, error = cents(fills, gain)
    return f"{mean:7.1f}" + (" " * 6 if math.isnan(error) else f" ±{error:4.1f}")


def cents(fills: Iterable[Marked], gain: Gain) -> tuple[float, float]:
    """Cents per contract that fills gained, and the standard error.
    Fills of one event share its fortune, so an event is one observation. The error of a single event is `nan`.
    Raises `ZeroDivisionError` if there are no fills."""
    events: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for fill in fills:
        event = events[fill.event]
        event[0] += gain(fill) * 100
        event[1] += fill.contracts
    contracts = sum(count for _, count in events.values())
    mean = sum(gained for gained, _ in events.values()) / contracts
    if len(events) == 1:
        return mean, math.nan
    squares = sum((gained - mean * count) ** 2 for gained, count in events.values())
    return mean, math.sqrt(squares * len(events) / (len(events) - 1)) / contracts


if __name__ == "__main__":
    main()
