"""Scenarios that make a fault strike one of the bot's steps, and the expected result.

The steps are those of `fault_steps.py`.

Promise:
- The rule itself counts whether the fault really struck.
- After each episode the stage is as it was, or records that it is not.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from simulator import lifecycle
from simulator.faults import EVENTS, Rule, parse_faults
from simulator.listing import Grid
from simulator.mishaps import GRIDS
from tests.support.bench import Killed
from tests.support.fault_run import CYCLES_TO_RECOVER, GO, START, WAIT, WATCH, BotEnded, Ended, Place, Stage
from tests.support.fault_steps import STEPS, WATCH_PHASE, Step

ONCE, CYCLE, OUTAGE = "once", "cycle", "outage"
DURATIONS = (ONCE, CYCLE, OUTAGE)
"""Struck once; during one turn of the loop; during five turns, which are an outage if they fail."""

WHOLE = WAIT - WATCH - 10
"""Seconds that are left of a whole wait after its look, at least."""

OUTAGE_TURNS = 5
PAUSED_SECONDS = {ONCE: 30.0, CYCLE: 70.0, OUTAGE: 300.0}
"""Seconds that a pause lasts, from the beginning of its cycle."""

LATER_TURNS = 3
"""Turns in which a start that was struck at one step reaches the others."""

LONG_GONE = ("closes", "settles", "halted")
"""Faults that remove a market: it never comes back, or comes back with an empty book."""

NO_KEY: Mapping[str, str] = {"key_revoked": "401", "403": "403"}
"""Faults that rightly end the bot if they last at a request that it needs, and the status that it then logs."""

Script = Generator[object, Any, None]


@dataclass(frozen=True)
class Cell:
    """One episode: a fault, the steps it strikes, for which duration, how positions are closed, and whether
    traders are there. Of several steps, step `longest` is struck for `duration` and the others once each."""

    fault: str
    given: Mapping[str, Any]
    steps: tuple[Step, ...]
    duration: str
    way: str
    is_alone: bool
    longest: int = 0

    def __str__(self) -> str:
        steps = "+".join(step.name for step in self.steps)
        who = "nobody" if self.is_alone else "people"
        return f"{self.fault} {steps} {self.duration} {self.way} {who} {self.longest}"

    def lasts(self, step: Step) -> str:
        return self.duration if self.steps.index(step) == self.longest else ONCE


# -- the fault -------------------------------------------------------------------------------------------------


def strike(stage: Stage, cell: Cell, phases: Sequence[str], ticker: str, soon: float = 0.0) -> dict[str, Rule]:
    """Apply the cell's fault to its steps in these phases from now on, once or until it is lifted. The bot takes
    them in `soon` seconds. Returns the rules by step."""
    rules = {step.name: _rule(stage, cell, step, ticker, soon) for step in cell.steps if step.phase in phases}
    stage.strike(
        [(rule, _any_read if _is_long_stale(rule) else STEPS[name].aim(stage)) for name, rule in rules.items()]
    )
    return rules


LONG_STALE = 75.0
"""Seconds that lists lag, in the step in which the bot checks for a lag: they lack the previous cycle's orders."""


def _is_long_stale(rule: Rule) -> bool:
    return bool(rule.do == "stale" and rule.given["seconds"] == LONG_STALE)


def _any_read(method: str, *_: object) -> bool:
    return method == "GET"


def _rule(stage: Stage, cell: Cell, step: Step, ticker: str, soon: float) -> Rule:
    do, elapsed, duration = cell.given["do"], stage.elapsed, cell.lasts(step)
    given: dict[str, Any] = dict(cell.given) | {"on": "GET /named/later"}
    if do == "stranger":
        given["until"] = elapsed + soon + PAUSED_SECONDS[OUTAGE]
    if do in ("trading_paused", "exchange_paused", "halted"):
        lasts = PAUSED_SECONDS[CYCLE if do == "halted" and duration == ONCE else duration]
        given["until"] = elapsed + soon + lasts + (step.reach - 1) * WAIT
    if do == "stale" and step.name == "fresh":
        given["seconds"], duration = LONG_STALE, max(duration, CYCLE, key=DURATIONS.index)
    if do == "stale":
        given["until"] = elapsed + soon + (OUTAGE_TURNS if duration == OUTAGE else 1) * WAIT + 15
    if "ticker" in given:
        given["ticker"] = ticker
    if "field" in given:
        given["field"] = step.field
    if "grid" in given:
        given["grid"] = _another(stage.exchange.markets[ticker].grid)
    if duration == ONCE or do in ("key_revoked", "stranger"):
        given["times"] = 1
    return parse_faults([given])[0]


def _another(grid: Grid) -> str:
    return next(name for name, other in GRIDS.items() if other is not grid and name != "tapered")


# -- episodes --------------------------------------------------------------------------------------------------


def turn(stage: Stage) -> Script:
    """Run the loop until its next wait. Raises `BotEnded` if the bot ends."""
    event = yield (GO if stage.is_running else START)
    if isinstance(event, Ended):
        raise BotEnded(event)


def calm(stage: Stage) -> Generator[object, Any, bool]:
    """Run until every wanted quote rests, the wait is a whole one with a look, and the bot does without no call.
    Returns False if that state is not reached."""
    for _ in range(12):
        is_full = stage.is_running and len(stage.own()) == stage.full and not stage.is_without
        if is_full and WHOLE < stage.left <= WAIT - WATCH and not stage.is_paused:
            return True
        if stage.is_running and stage.way == "REST":
            stage.even_out()
        yield from turn(stage)
    return False


def to_the_end(stage: Stage) -> Script:
    """Two more cycles, for violations that show later, and a stop."""
    for _ in range(2):
        if stage.is_running and not stage.broken:
            yield from turn(stage)
    if stage.is_running:
        stage.after_end((yield KeyboardInterrupt))


def recover(stage: Stage, before: Collection[Place]) -> Script:
    """The fault is over and the loop waits. Within two cycles the bot must quote as `before`, and the ledger must
    match the positions."""
    for _ in range(12):
        if not (stage.is_paused or stage.is_starting):
            break
        yield from turn(stage)
    most = CYCLES_TO_RECOVER + (not stage.is_alone)  # the books that traders thin out withdraw a side once more
    for cycle in range(most + 1):
        missing = stage.missing(before)
        if cycle:
            yield from turn(stage)
            missing = min(stage.missing(before, now) for now in (stage.quotes(), stage.placed))
        unknown = stage.unknown()
        if not missing and not unknown:
            return
    if missing:
        stage.broken.append(
            f"{missing} of {len(before)} sides are not quoted two cycles after the fault has ended"
        )
    stage.broken += [f"a position is not known two cycles after the fault: {what}" for what in unknown]


def _soon(stage: Stage, step: Step) -> float:
    """Seconds until the step is taken."""
    return stage.left + (WATCH if step.phase == WATCH_PHASE else 0.0)


def _provoke(stage: Stage, step: Step) -> None:
    if step.phase == WATCH_PHASE:
        stage.before_look = partial(step.provoke, stage)
    else:
        step.provoke(stage)


def in_a_cycle(stage: Stage, cell: Cell, rules: dict[str, Rule]) -> Script:
    """The fault comes while the loop runs, in a cycle or in the looks between two."""
    (step,) = cell.steps
    before, ticker = stage.quotes(), stage.own()[0].ticker
    rules |= strike(stage, cell, [step.phase], ticker, _soon(stage, step))
    _provoke(stage, step)
    for _ in range(step.reach):
        yield from turn(stage)
        if rules[step.name].struck:
            break
    _judge_look(stage, cell)
    for _ in range(OUTAGE_TURNS - 1 if cell.duration == OUTAGE else 0):
        yield from turn(stage)
        _judge_look(stage, cell)
    stage.lift()
    yield from recover(stage, before)


_TELLING = {*EVENTS, "missing_field", "nonsense"}
"""Faults at a look whose answer may tell something: a list without a book tells of a market that stopped."""


def _judge_look(stage: Stage, cell: Cell) -> None:
    """A look that is struck delays no cycle, and withdraws nothing because of an answer that says nothing."""
    (step,) = cell.steps
    if step.phase != WATCH_PHASE:
        return
    if stage.left < WHOLE:
        stage.broken.append(f"a look that fails takes so long that {stage.left:.1f} s are left until the cycle")
    gone = stage.placed - stage.quotes()
    if step.name == "~books" and stage.is_alone and cell.given["do"] not in _TELLING and gone:
        stage.broken.append(f"a look without a usable answer withdraws {sorted(gone)}")


def revoked(stage: Stage, cell: Cell, rules: dict[str, Rule]) -> Script:
    """The key is revoked in the middle of a cycle or of a look. The orders expire, and the bot logs the reason, or
    ends by itself."""
    (step,) = cell.steps
    rules |= strike(stage, cell, [step.phase], "", _soon(stage, step))
    mark = len(stage.log)
    _provoke(stage, step)
    ended = None
    for _ in range(step.reach + OUTAGE_TURNS):
        event = yield GO
        if isinstance(event, Ended):
            ended = event
            break
    if ended is None:
        ended = yield KeyboardInterrupt
    stage.after_end(ended)
    if rules[step.name].struck:
        _expect_told(stage, cell, mark)
    stage.lift()
    stage.new_key()


def killed(stage: Stage, cell: Cell, rules: dict[str, Rule]) -> Script:
    """The fault comes and the bot is killed: at the first, or third, struck request, or in an outage."""
    (step,) = cell.steps
    before, ticker = stage.quotes(), stage.own()[0].ticker
    rules |= strike(stage, cell, ["kill"], ticker, stage.left)
    step.provoke(stage)
    if cell.duration != OUTAGE:
        most = 1 if cell.duration == ONCE else 3
        stage.kill_after = lambda: rules[step.name].struck >= most
    event = yield GO
    for _ in range(OUTAGE_TURNS - 1 if cell.duration == OUTAGE else 0):
        if not isinstance(event, Ended):
            event = yield GO
    if not isinstance(event, Ended):
        event = yield Killed
    stage.after_end(event)
    yield from _begin_again(stage, before)


def _begin_again(stage: Stage, before: Collection[Place]) -> Script:
    stage.lift()
    stage.new_key()
    while stage.is_paused:
        stage.pass_time(WAIT)
    yield from turn(stage)
    yield from recover(stage, before)


def ended_and_begun(stage: Stage, cell: Cell, rules: dict[str, Rule]) -> Script:
    """The fault comes while Ctrl-C stops the bot, or while the bot starts on an account that a person used
    meanwhile, or both, one after the other."""
    before, ticker = stage.quotes(), stage.own()[0].ticker
    rules |= strike(stage, cell, ["stop"], ticker)
    long_ones = [step for step in cell.steps if cell.lasts(step) != ONCE]
    for _ in range(
        OUTAGE_TURNS if any((one.phase, cell.duration) == ("stop", OUTAGE) for one in long_ones) else 0
    ):
        yield from turn(stage)
    ended = yield KeyboardInterrupt
    stage.after_end(ended)
    if not any(step.phase == "start" for step in cell.steps):
        yield from _begin_again(stage, before)
        return
    stage.lift()
    stage.new_key()
    while stage.is_paused:
        stage.pass_time(WAIT)
    if stage.exchange.trades_in(stage.exchange.markets[ticker]):
        stage.use_by_hand(ticker)
    rules |= strike(stage, cell, ["start"], ticker)
    mark = len(stage.log)
    event: object = yield START
    for _ in range(
        OUTAGE_TURNS - 1 if any((one.phase, cell.duration) == ("start", OUTAGE) for one in long_ones) else 0
    ):
        if not isinstance(event, Ended):
            event = yield GO
    if cell.given["do"] == "key_revoked":
        yield from _without_a_key(stage, cell, event, mark)
        return
    for one in long_ones:
        if one.name in rules:
            rules[one.name].times = rules[one.name].struck
    for _ in range(LATER_TURNS):
        if isinstance(event, Ended):
            raise BotEnded(event)
        if all(rule.struck for rule in rules.values()):
            break
        event = yield GO
    stage.lift()
    yield from recover(stage, before)


def _without_a_key(stage: Stage, cell: Cell, event: object, mark: int) -> Script:
    for _ in range(OUTAGE_TURNS):
        if not isinstance(event, Ended):
            event = yield GO
    if not isinstance(event, Ended):
        event = yield KeyboardInterrupt
    stage.after_end(event)
    _expect_told(stage, cell, mark)
    stage.lift()
    stage.new_key()


def _expect_told(stage: Stage, cell: Cell, mark: int) -> None:
    if NO_KEY[cell.given["do"]] not in stage.log[mark:]:
        stage.broken.append("the key was refused, and the log does not say so")


def episode(stage: Stage, cell: Cell, rules: dict[str, Rule]) -> Script:
    """One cell. Afterwards `rules` has the rule of each of its steps."""
    phase = cell.steps[0].phase
    play = {"cycle": in_a_cycle, WATCH_PHASE: in_a_cycle, "kill": killed}.get(phase, ended_and_begun)
    if play is in_a_cycle and cell.given["do"] == "key_revoked":
        play = revoked
    grids = {one.ticker: one.grid for one in stage.exchange.markets.values()}
    try:
        yield from partial(play, stage, cell, rules)()
    except BotEnded as early:
        if cell.given["do"] in NO_KEY:  # the third cycle in a row without one ends the bot
            yield from _without_a_key(stage, cell, early.ended, 0)
            return
        stage.broken.append(str(early))
        stage.after_end(early.ended)
    for ticker, grid in grids.items():  # with finer steps quotes are too near the ask to be moved in place
        lifecycle.change_grid(stage.exchange, stage.exchange.markets[ticker], grid)
