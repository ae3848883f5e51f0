"""Scenarios that make a fault strike one of the bot's steps, and the expected result.

A step is a phase and the requests that belong to it. Steps that a steady cycle would not take are provoked: quotes
are filled, rivals step in front of them, groups trip, a person uses the account.

Promise:
- The rule itself counts whether the fault really struck.
- After each episode the stage is as it was, or records that it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from simulator import lifecycle, order_groups
from simulator.faults import Rule, parse_faults
from simulator.listing import Grid
from simulator.matching import CONTRACT, DOLLAR_PIPS, Order
from simulator.mishaps import GRIDS
from simulator.opening import CUSTOMER
from tests.support.bench import Killed
from tests.support.fault_run import CYCLES_TO_RECOVER, GO, START, WAIT, Aim, BotEnded, Ended, Place, Stage

ONCE, CYCLE, OUTAGE = "once", "cycle", "outage"
DURATIONS = (ONCE, CYCLE, OUTAGE)
"""Struck once; during one turn of the loop; during five turns, which are an outage if they fail."""

OUTAGE_TURNS = 5
PAUSED_SECONDS = {ONCE: 30.0, CYCLE: 70.0, OUTAGE: 300.0}
"""Seconds that a pause lasts, from the beginning of its cycle."""

LATER_TURNS = 3
"""Turns in which a start that was struck at one step reaches the others."""

LONG_GONE = ("closes", "settles", "halted")
"""Faults that remove a market: it never comes back, or comes back with an empty book."""

NO_KEY: Mapping[str, str] = {"key_revoked": "401", "403": "403"}
"""Faults that rightly end the bot if they last at a request that it needs, and the status that it then logs."""

_ORDERS = "/portfolio/events/orders"

Script = Generator[object, Any, None]


@dataclass(frozen=True)
class Step:
    """Requests of one phase that a fault may strike. `on` is a pattern as in a fault script; `act` (see `_act`) is
    used if that says too little. `field`: a field that an answer may lack. `provoke`: makes the bot take the step
    within `reach` turns of its loop."""

    name: str
    phase: str
    on: str = ""
    act: str = ""
    field: str = "order_id"
    provoke: Callable[[Stage], None] = lambda _: None
    reach: int = 1

    def aim(self, stage: Stage) -> Aim:
        def is_meant(method: str, path: str, body: Mapping[str, Any]) -> bool:
            if self.on:
                return fnmatchcase(f"{method} {path}", self.on)
            return _act(stage, method, path, body) in self.act.split()

        return is_meant


def _act(stage: Stage, method: str, path: str, body: Mapping[str, Any]) -> str:
    """The bot's action on an order by a request: cancel, renew, move, sell or place. With `REST`, an order sells
    that takes the place of a quote on the other side of a position."""
    if method == "DELETE" and fnmatchcase(path, f"{_ORDERS}/*"):
        return "cancel"
    if method == "POST" and path == _ORDERS:
        return "place" if body.get("post_only") else "sell"
    if method == "POST" and path.endswith("/amend"):
        order = stage.account.resting.get(path.split("/")[-2])
        holding = stage.account.holdings.get(order.ticker) if order else None
        held = holding.count if holding else 0
        if order and stage.way == "REST" and held and (held > 0) is not order.is_bid:
            return "renew" if Decimal(body["count"]) * CONTRACT == order.size else "sell"
        if order is None or Decimal(body["price"]) * DOLLAR_PIPS != order.price:
            return "move"
        more = Decimal(body["count"]) * CONTRACT > order.size
        return "place" if more else "renew"
    return ""


# -- provoking a step ------------------------------------------------------------------------------------------


def _quote(stage: Stage, is_bid: bool = True, ticker: str = "") -> Order | None:
    """A quote of the bot, or None if a trader has just taken it."""
    return next((one for one in stage.own() if one.is_bid == is_bid and ticker in ("", one.ticker)), None)


def _fill_a_part(stage: Stage) -> None:
    """Just before the cycle, so that the rest of the quote is canceled and the filled part is sold."""
    stage.pass_time(stage.left - 0.5)
    quote = _quote(stage)
    if quote is not None:
        stage.take(quote, 0.4)


def _fill_both_sides(stage: Stage) -> None:
    """With time between the fills, so that the group does not trip. No position and no quote is left there."""
    ticker = stage.own()[0].ticker
    for is_bid in (True, False):
        stage.pass_time(20.0)
        quote = _quote(stage, is_bid, ticker)
        if quote is not None:
            stage.take(quote)


def _step_in_front(stage: Stage) -> None:
    """A trader bids one tick above the best bid, or the one who did so leaves."""
    for order in stage.guests:
        half = stage.exchange.markets[order.ticker].book.half(True)
        if order.status == "resting":
            half.remove(order)
            order.status = "canceled"
            stage.exchange.changed(stage.exchange.markets[order.ticker])
            stage.guests.remove(order)
            return
    for quote in stage.own():
        market = stage.exchange.markets[quote.ticker]
        bid, ask = market.book.bids.best(), market.book.asks.best()
        if quote.is_bid and bid and ask and market.grid.tick(ask) - market.grid.tick(bid) > 1:
            guest = stage.exchange.crowd_rest(market, True, market.grid.nearest(bid, 1), 400 * CONTRACT)
            stage.exchange.changed(market)
            stage.guests += [guest] if guest else []
            return


def _trip(stage: Stage) -> None:
    for group in list(stage.account.groups.values()):
        order_groups.trigger(stage.exchange, CUSTOMER, group.group_id, group.shard)


_CREATE = f"POST {_ORDERS}"
STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step("0limit", "start", "GET /account/limits", field="usage_tier"),
        Step("0statu", "start", "GET /exchange/status", field="exchange_active"),
        Step("0order", "start", "GET /portfolio/orders"),
        Step("0fills", "start", "GET /portfolio/fills", field="fill_id"),
        Step("0posit", "start", "GET /portfolio/positions", field="position_fp"),
        Step("0cance", "start", act="cancel", field="reduced_by"),
        Step("0sell", "start", _CREATE),
        Step("0group", "start", "POST /portfolio/order_groups/create", field="order_group_id"),
        Step("status", "cycle", "GET /exchange/status", field="trading_active"),
        Step("fresh", "cycle", "GET /exchange/user_data_timestamp", field="as_of_time", provoke=_fill_both_sides),
        Step("orders", "cycle", "GET /portfolio/orders"),
        Step("fills", "cycle", "GET /portfolio/fills", field="fill_id", provoke=_fill_a_part),
        Step("posit", "cycle", "GET /portfolio/positions", field="position_fp", provoke=_fill_a_part),
        Step("balan", "cycle", "GET /portfolio/balance", field="balance_dollars"),
        Step("market", "cycle", "GET /markets", field="status"),
        Step("books", "cycle", "GET /markets/orderbooks", field="orderbook_fp"),
        Step("scan", "cycle", "GET /incentive_programs", field="market_ticker"),
        Step("cancel", "cycle", act="cancel", field="reduced_by", provoke=_fill_a_part),
        Step("renew", "cycle", act="renew", reach=3),
        Step("move", "cycle", act="move", provoke=_step_in_front, reach=3),
        Step("sell", "cycle", act="sell", provoke=_fill_a_part),
        Step("place", "cycle", act="place", provoke=_fill_both_sides),
        Step("reset", "cycle", "PUT /portfolio/order_groups/*/reset", provoke=_trip, reach=2),
        Step("kill", "kill", act="cancel renew move sell place", provoke=_fill_a_part),
        Step("9order", "stop", "GET /portfolio/orders"),
        Step("9cance", "stop", act="cancel", field="reduced_by"),
        Step("9group", "stop", "DELETE /portfolio/order_groups/*"),
    )
}
"""A name that begins with 0 is a step of the start; 9 is a step of the stop."""


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
    """Apply the cell's fault to its steps in these phases from now on, once or until it is lifted. The cycle
    starts in `soon` seconds. Returns the rules by step."""
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
    """Run until every wanted quote rests, with a whole wait before the next cycle. Returns False if that state is
    not reached."""
    for _ in range(12):
        if stage.is_running and len(stage.own()) == stage.full and stage.left > WAIT - 10 and not stage.is_paused:
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
    for cycle in range(CYCLES_TO_RECOVER + 1):
        if cycle:
            yield from turn(stage)
        missing, unknown = stage.missing(before), stage.unknown()
        if not missing and not unknown:
            return
    if missing:
        stage.broken.append(
            f"{missing} of {len(before)} sides are not quoted two cycles after the fault has ended"
        )
    stage.broken += [f"a position is not known two cycles after the fault: {what}" for what in unknown]


def in_a_cycle(stage: Stage, cell: Cell, rules: dict[str, Rule]) -> Script:
    """The fault comes while the loop runs."""
    (step,) = cell.steps
    before, ticker = stage.quotes(), stage.own()[0].ticker
    rules |= strike(stage, cell, ["cycle"], ticker, stage.left)
    step.provoke(stage)
    for _ in range(step.reach):
        yield from turn(stage)
        if rules[step.name].struck:
            break
    for _ in range(OUTAGE_TURNS - 1 if cell.duration == OUTAGE else 0):
        yield from turn(stage)
    stage.lift()
    yield from recover(stage, before)


def revoked(stage: Stage, cell: Cell, rules: dict[str, Rule]) -> Script:
    """The key is revoked in the middle of a cycle. The orders expire, and the bot logs the reason, or ends by
    itself."""
    (step,) = cell.steps
    rules |= strike(stage, cell, ["cycle"], "", stage.left)
    mark = len(stage.log)
    step.provoke(stage)
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
    play = {"cycle": in_a_cycle, "kill": killed}.get(phase, ended_and_begun)
    if phase == "cycle" and cell.given["do"] == "key_revoked":
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
