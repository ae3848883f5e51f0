"""Judge strategies by what they netted on the same boards.

Promise:
- Every function is pure.
- A reward counts only as far as it would be paid: after the $1.00 floor and the cap.
- Strategies are compared board by board, so that a board's luck does not decide.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import NamedTuple

from simulator.rewards import FLOOR_CENTS

DRAWS, TAIL = 5_000, 0.05


class Result(NamedTuple):
    """What a strategy brought on one board, in dollars.

    `rewards`: payable. `trading`: fills, fees, exits and settlements, with open positions at what they would
    bring. `hidden`: the same, with open positions at the exchange's hidden value. `contracts`: of quotes that were
    filled. `capital`: tied up by orders and positions, on average."""

    rewards: float
    trading: float
    hidden: float
    contracts: float
    capital: float

    @property
    def net(self) -> float:
        return self.rewards + self.trading

    @property
    def hidden_net(self) -> float:
        """Net with open positions at the hidden value, which the next trade does not move."""
        return self.rewards + self.hidden


Results = Mapping[str, Sequence[Result]]
"""Results by strategy; of each strategy one for each board, in the same order."""


def payable(accrued: float, seconds: float, window: float, cap: float | None = None) -> float:
    """The part of a running window's accrual that counts as paid.

    It counts if the whole window would be paid at this pace. `accrued`: dollars earned in `seconds`, the part of
    the run that lies in the window of `window` seconds. `cap`: the most that the whole window pays, in dollars. 0
    if the whole window would pay less than $1.00."""
    if seconds <= 0:
        return 0.0
    whole = accrued * window / seconds
    whole = whole if cap is None else min(whole, cap)
    return whole * seconds / window if whole * 100 + 1e-6 >= FLOOR_CENTS else 0.0


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Where nine of ten means lie if the boards are drawn again with replacement."""
    dice = random.Random(1)
    means = sorted(fmean(dice.choices(differences, k=len(differences))) for _ in range(DRAWS))
    return means[int(TAIL * DRAWS)], means[int((1 - TAIL) * DRAWS) - 1]


def worst_decile(nets: Sequence[float]) -> float:
    """The mean of the worst tenth of the boards, at least one."""
    return fmean(sorted(nets)[: max(round(len(nets) / 10), 1)])


def table(results: Results, base: str) -> str:
    """Means by board as a Markdown table. Differences are to the strategy `base`."""
    lines = [
        _row(
            "strategy", "rewards", "trading", "net", "net at hidden value", "contracts filled", "capital",
            "median net", "worst decile", "boards above $0", f"net, less {base}", f"at hidden value, less {base}",
        ),
        "|---" * 12 + "|",
    ]  # fmt: skip
    for name, found in results.items():
        nets = [one.net for one in found]
        money = (
            fmean(one.rewards for one in found),
            fmean(one.trading for one in found),
            fmean(nets),
            fmean(one.hidden_net for one in found),
        )
        used = f"{fmean(one.contracts for one in found):,.0f}", f"${fmean(one.capital for one in found):,.0f}"
        spread = (
            _dollars(median(nets)),
            _dollars(worst_decile(nets)),
            f"{sum(net > 0 for net in nets)} of {len(nets)}",
        )
        less = ("", "") if name == base else (_less(found, results[base], of) for of in (_net, _hidden_net))
        lines.append(_row(name, *map(_dollars, money), *used, *spread, *less))
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _net(one: Result) -> float:
    return one.net


def _hidden_net(one: Result) -> float:
    return one.hidden_net


def _less(found: Sequence[Result], base: Sequence[Result], of: Callable[[Result], float]) -> str:
    """The mean difference by board, and its interval."""
    differences = [of(one) - of(other) for one, other in zip(found, base, strict=True)]
    low, high = map(_dollars, interval(differences))
    return f"{_dollars(fmean(differences))} [{low}, {high}]"


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}".replace("$-", "-$")
