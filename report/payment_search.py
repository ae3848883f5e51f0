"""Which windows a step in the cash may have paid.

Promise:
- Pure, and bounded: what cannot be searched to its end is in doubt, never guessed.
- Each window is paid once. A step is explained only if all ways to explain it, and the steps around it, agree.
- An event's windows that end together are paid together.

Ways to explain steps are ranked by how many steps and how many sure payments they leave out. Only the best count.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from ledger.payouts import LATEST, SOONEST

FLOOR_CENTS = 100
ROUND_CENTS = 500

SETTLED = timedelta(minutes=2)
"""Cash is expected at most this long after its program was first seen paid out: two looks. Nobody knows whether it
may come later, so that is tried last."""

TOGETHER = 6
"""The most payments that are looked for in one step."""

_FEW = 12
"""Up to this many waiting payments, one that fits a step alone is likelier than several whose time is not
known."""

_MOST_SETS, _MOST_TRIED, _MOST_JOINT, _MOST_STEPS = 40, 3_000, 20_000, 50
"""Limits of the search: the ways of a step, and the sets tried for them; the combinations of ways of steps that
share payments, and the number of those steps. What is beyond them is in doubt."""

_UNEXPLAINED = 2
"""Cost of a step that nothing explains, if a payment that did not come costs 1."""

Ways = list[frozenset[int]]
"""The sets of payments (by their number) that explain a step. An empty set: nothing does."""

_NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Step:
    """Cash of `cents` that came between two readings."""

    since: datetime
    until: datetime
    cents: int

    @property
    def is_round(self) -> bool:
        """Whether a referral pays such amounts too.

        It then needs a program that was seen paid out just then."""
        return self.cents % ROUND_CENTS == 0


@dataclass(frozen=True, eq=False)
class Payment:
    """Cash that is expected in one instant, for windows (`names`) that ended together.

    It is from `least` to `most` cents. `sure`: it is not below the floor. `unpaid`, `paid`: when it was last seen
    not paid out, and first seen paid out."""

    names: tuple[str, ...]
    event: str
    end: datetime
    least: int
    most: int
    sure: bool
    unpaid: datetime | None = None
    paid: datetime | None = None

    @cached_property
    def series(self) -> str:
        return self.event.partition("-")[0]

    @cached_property
    def earliest(self) -> datetime:
        """The cash cannot have come before."""
        soonest = self.end + SOONEST
        return max(soonest, self.unpaid) if self.unpaid else soonest

    def latest(self, late: bool) -> datetime:
        """The cash is not expected to come after.

        `late`: however long before it was seen paid out."""
        return self.end + LATEST if late or self.paid is None else min(self.paid + SETTLED, self.end + LATEST)

    def supports(self, step: Step) -> bool:
        """Whether it was seen paid out when a step came, or can only be its amount."""
        seen = self.unpaid is not None and self.paid is not None and step.since <= self.paid + SETTLED
        return seen or self.least == self.most == step.cents


@dataclass(frozen=True)
class Found:
    """What may explain a step.

    `common`: the payments that are in every way to explain it. `possible`: those of any way. `is_whole`: the
    common ones explain it. If not, `series` pays the rest, or "" if the ways do not agree on one.
    `rest_least`, `rest_most`: the cents of the rest."""

    common: tuple[Payment, ...]
    possible: tuple[Payment, ...]
    is_whole: bool
    series: str = ""
    rest_least: int = 0
    rest_most: int = 0


def search(
    steps: Sequence[Step],
    tried: Collection[Step],
    payments: Sequence[Payment],
    watched: tuple[datetime, datetime],
    late: bool = False,
    together: int = TOGETHER,
) -> dict[Step, Found]:
    """Find what may explain the `tried` steps.

    A step without an entry has no explanation. `steps`: all in which a payment may have come, oldest first.
    `watched`: the cash was read from and until then.
    `late`: also try payments that were seen paid out long before a step. `together`: the most payments in a step,
    besides those that must be."""
    return _Search(steps, tried, payments, watched, late, together).run()


class _Search:
    def __init__(
        self,
        steps: Sequence[Step],
        tried: Collection[Step],
        payments: Sequence[Payment],
        watched: tuple[datetime, datetime],
        late: bool,
        together: int,
    ) -> None:
        self._steps, self._together = steps, together
        order = sorted(range(len(payments)), key=lambda n: payments[n].end)
        self._payments = [payments[n] for n in order]
        self._ways: dict[int, Ways | None] = {}
        self._near: dict[int, list[int]] = {}
        self._places: dict[int, set[int]] = defaultdict(set)
        self._fixed: dict[int, frozenset[int]] = {}
        self._used: set[int] = set()
        self._tried: set[tuple[tuple[int, int], ...]] = set()
        self._wide: set[int] = set()
        self._must_be = self._link(set(tried), watched, late)

    def _link(self, tried: Collection[Step], watched: tuple[datetime, datetime], late: bool) -> set[int]:
        """Find which payments may be in which steps.

        Returns those that must have come in one of them."""
        ends = [one.end for one in self._payments]
        spans = [(one.earliest, one.latest(late)) for one in self._payments]
        for number, step in enumerate(self._steps):
            last = bisect_right(ends, step.until - SOONEST)
            near = [
                n
                for n in range(bisect_left(ends, step.since - LATEST), last)
                if spans[n][0] <= step.until and step.since <= spans[n][1]
            ]
            for n in near:
                self._places[n].add(number)
            if step in tried:
                fits = [n for n in near if self._payments[n].least <= step.cents]
                self._near[number] = fits[::-1]
        since, until = watched
        return {
            n for n, one in enumerate(self._payments) if one.sure and since <= spans[n][0] and spans[n][1] <= until
        }

    def run(self) -> dict[Step, Found]:
        for number in self._near:
            self._ways[number] = self._enumerate(number)
        while self._propagate() or self._solve_jointly() or self._enumerate_again():
            pass
        found = {}
        for number, chosen in self._fixed.items():
            whole = tuple(self._payments[n] for n in sorted(chosen, reverse=True))
            found[self._steps[number]] = Found(whole, whole, True)
        for number, ways in self._ways.items():
            if ways is None:
                free = [self._payments[n] for n in self._near[number] if n not in self._used]
                found[self._steps[number]] = self._many(free, self._steps[number].cents)
            elif any(ways):
                found[self._steps[number]] = self._agreed(ways)
        return found

    # -- the ways to explain one step ----------------------------------------------------------------------------

    def _musts(self, number: int) -> frozenset[int]:
        """The payments that came in this step, if in any."""
        near = (n for n in self._near[number] if n in self._must_be and n not in self._used)
        return frozenset(n for n in near if len(self._places[n]) == 1)

    def _enumerate(self, number: int) -> Ways | None:
        """All ways to explain a step; None if there are too many.

        They have all payments that came then, if in any step, unless that explains nothing: one may not have come.
        If one payment alone explains it and few wait, several together compete only if it is known when all of
        them were paid out, or if another step needs that one payment too."""
        musts = self._musts(number)
        ways = self._ways_with(number, musts)
        return self._ways_with(number, _NOTHING) if ways == [] and musts else ways

    def _ways_with(self, number: int, base: frozenset[int]) -> Ways | None:
        """The same, with the payments of `base` in all of them."""
        step = self._steps[number]
        options = [n for n in self._near[number] if n not in self._used and n not in base]
        if step.is_round:
            if not all(self._payments[n].supports(step) for n in base):
                return []
            options = [n for n in options if self._payments[n].supports(step)]
        least, most = self._bounds(base)
        ways: Ways = [base] if base and least <= step.cents <= most else []
        level = [(0, least, most, base)]
        widest = max((self._payments[n].most for n in options), default=0)
        compete = set(options)
        tried = 0
        for more in range(1, self._together + 1):
            deeper: list[tuple[int, int, int, frozenset[int]]] = []
            tried += sum(len(options) - start for start, *_ in level)
            if tried > _MOST_TRIED:
                return None
            for start, low, high, chosen in level:
                for place in range(start, len(options)):
                    if len(ways) > _MOST_SETS:
                        return None
                    one = self._payments[options[place]]
                    lower, higher = low + one.least, high + one.most
                    if lower > step.cents or higher + widest * (self._together - more) < step.cents:
                        continue
                    several = chosen | {options[place]}
                    if not several - base <= compete:
                        continue
                    deeper.append((place + 1, lower, higher, several))
                    if step.cents <= higher:
                        ways.append(several)
            level = deeper
            if ways and more == 1 and number not in self._wide and len(options) <= _FEW:
                compete = {n for n in options if self._payments[n].unpaid or self._payments[n].paid}
        return ways

    def _bounds(self, several: Iterable[int]) -> tuple[int, int]:
        chosen = [self._payments[n] for n in several]
        return sum(one.least for one in chosen), sum(one.most for one in chosen)

    def _enumerate_again(self) -> bool:
        """Try steps again that had too many ways, now that some payments are used."""
        changed = False
        for number, ways in self._ways.items():
            if ways is None:
                free = sum(n not in self._used for n in self._near[number])
                if free < len(self._near[number]):
                    self._near[number] = [n for n in self._near[number] if n not in self._used]
                    again = self._enumerate(number)
                    if again is not None:
                        self._ways[number], changed = again, True
        return changed

    # -- steps that share payments -------------------------------------------------------------------------------

    def _propagate(self) -> bool:
        """Fix steps that have one way, as long as there are any."""
        changed, again = False, True
        while again:
            again = False
            for number in list(self._ways):
                ways = self._ways[number]
                if not ways or len(ways) != 1 or not ways[0]:
                    continue
                rivals = self._rivals(number, ways[0])
                if not rivals:
                    self._fix(number, ways[0])
                    changed = again = True
                for one in {number, *rivals} - self._wide if rivals else ():
                    self._wide.add(one)
                    self._ways[one] = self._enumerate(one)
                    changed = again = True
        return changed

    def _rivals(self, number: int, way: frozenset[int]) -> list[int]:
        """The steps that could not be explained any more."""
        others = {other for n in way for other in self._places[n] if other != number}
        listed = ((other, self._ways.get(other)) for other in others)
        return [other for other, ways in listed if ways and all(one & way for one in ways)]

    def _fix(self, number: int, way: frozenset[int]) -> None:
        self._fixed[number] = way
        del self._ways[number]
        self._used |= way
        touched = {other for n in way for other in self._places[n]}
        for n in self._near[number]:
            if n not in way:
                self._places[n].discard(number)
                touched |= self._places[n] if len(self._places[n]) == 1 else set()
        for other in touched:
            ways = self._ways.get(other)
            if ways:
                musts = self._musts(other)
                left = [one for one in ways if not one & way and musts <= one]
                is_whole = left and (other in self._wide or len(left) == len(ways))
                self._ways[other] = left if is_whole else self._enumerate(other)

    def _solve_jointly(self) -> bool:
        """Try the ways of steps that share payments, and keep the best together."""
        changed = False
        for component in self._components():
            signature = tuple((number, len(self._ways[number] or ())) for number in component)
            if signature in self._tried:
                continue
            self._tried.add(signature)
            kept = self._best(component)
            for number in component if kept else ():
                ways = sorted(kept[number], key=sorted)
                changed |= len(ways) != len(self._ways[number] or ())
                self._ways[number] = ways
        return changed

    def _components(self) -> list[list[int]]:
        """The steps with several ways, in groups that share payments."""
        by_payment: dict[int, list[int]] = defaultdict(list)
        listed = {number: ways for number, ways in self._ways.items() if ways}
        for number, ways in listed.items():
            for n in frozenset().union(*ways):
                by_payment[n].append(number)
        left, found = set(listed), []
        while left:
            group, queue = [], [left.pop()]
            while queue:
                number = queue.pop()
                group.append(number)
                for n in frozenset().union(*listed[number]):
                    near = left.intersection(by_payment[n])
                    left -= near
                    queue += near
            found.append(sorted(group))
        return found

    def _best(self, component: Sequence[int]) -> Mapping[int, Collection[frozenset[int]]]:
        """For each step, its ways in the best solutions.

        Empty if they cannot all be tried. A payment that must have come is missed, unless it may be part of a
        step that nothing explains."""
        inside = set(component)
        ways = {number: [way for way in self._ways[number] or () if way] for number in component}
        owed = {
            n
            for number in component
            for n in self._near[number]
            if n in self._must_be and n not in self._used and self._places[n] <= inside
        }
        best: list[int] = [_UNEXPLAINED * len(component) + len(owed) + 1]
        kept: dict[int, set[frozenset[int]]] = {number: set() for number in component}
        nodes = [0]

        def go(place: int, taken: frozenset[int], lost: int, chosen: tuple[frozenset[int], ...]) -> None:
            nodes[0] += 1
            if lost > best[0] or nodes[0] > _MOST_JOINT:
                return
            if place == len(component):
                left = {number for number, way in zip(component, chosen, strict=True) if not way}
                cost = lost + sum(self._places[n].isdisjoint(left) for n in owed - taken)
                if cost < best[0]:
                    best[0] = cost
                    for several in kept.values():
                        several.clear()
                if cost == best[0]:
                    for number, way in zip(component, chosen, strict=True):
                        kept[number].add(way)
                return
            for way in ways[component[place]]:
                if not way & taken:
                    go(place + 1, taken | way, lost, (*chosen, way))
            go(place + 1, taken, lost + _UNEXPLAINED, (*chosen, _NOTHING))

        if len(component) > _MOST_STEPS:
            return {}
        go(0, frozenset(), 0, ())
        return kept if nodes[0] <= _MOST_JOINT else {}

    # -- what the ways agree on ----------------------------------------------------------------------------------

    def _agreed(self, ways: Ways) -> Found:
        """What all ways have in common, and the series of the rest if they agree."""
        everything = frozenset().union(*ways)
        possible = tuple(self._payments[n] for n in sorted(everything, reverse=True))
        series = {one.series for one in possible}
        if len(series) == 1 and _NOTHING not in ways:
            return Found((), possible, False, series.pop(), *self._span(ways))
        common = ways[0].intersection(*ways)
        rests = [way - common for way in ways]
        series = {self._payments[n].series for rest in rests for n in rest}
        agreed = series.pop() if len(series) == 1 and all(rests) else ""
        shared = tuple(self._payments[n] for n in sorted(common, reverse=True))
        return Found(shared, possible, False, agreed, *self._span(rests))

    def _span(self, ways: Ways) -> tuple[int, int]:
        bounds = [self._bounds(way) for way in ways]
        return min(low for low, _ in bounds), max(high for _, high in bounds)

    def _many(self, free: Sequence[Payment], cents: int) -> Found:
        """What is sure if there are too many ways.

        They agree on the series if there is only one, and one payment alone fits. They have a payment in
        common if not even the largest others together come to the sum without it."""
        series = {one.series for one in free}
        if len(series) == 1 and any(one.least <= cents <= one.most for one in free):
            return Found((), tuple(free), False, series.pop(), FLOOR_CENTS, sum(one.most for one in free))
        largest = sorted(free, key=lambda one: one.most, reverse=True)[: self._together + 1]
        if sum(one.most for one in largest) < cents:
            return Found((), tuple(free), False)
        common = tuple(one for one in largest if sum(other.most for other in largest) - one.most < cents)
        rest = sum(one.most for one in largest if one not in common)
        return Found(common, tuple(free), False, "", 0, rest)
