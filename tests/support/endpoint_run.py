"""A whole bot whose exchange lacks an endpoint for twenty minutes around midnight, and what must hold meanwhile.

Promise:
- The exchange's own record is judged, and the ledger and the log only for what they tell.
- What happens on the exchange is the same in every cell: a fill, a position held over midnight, a settlement, cash
  that comes and goes, a triggered order group, a restart. Then the endpoint comes back.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import requests

from bot.connection import embedded_client
from exchange.reserves import BalanceReading, CashRule
from ledger.balance_reading import KnownCashRule
from ledger.entries import PendingWrites
from ledger.ledger import Ledger
from report.build import Report, build_report
from report.facts import read_report_facts
from simulator import lifecycle, order_groups
from simulator.faults import MISSING, Rule
from simulator.matching import CONTRACT, DOLLAR, Order
from simulator.opening import CUSTOMER
from tests.support import by_hand
from tests.support.fault_run import SIZE, Ended, Stage
from tests.support.fault_scenarios import BotEnded, Script, turn

OPENING = datetime(2026, 11, 22, 23, 56, 30, tzinfo=timezone.utc)
"""Three and a half minutes before the day's end."""

ENDPOINTS: Mapping[str, str] = {
    "balance": "GET /portfolio/balance",
    "candles": "GET /markets/candlesticks",
    "events": "GET /events",
    "series": "GET /series",
    "create": "POST /portfolio/order_groups/create",
    "limit": "PUT /portfolio/order_groups/*/limit",
    "reset": "PUT /portfolio/order_groups/*/reset",
    "amend": "POST /portfolio/events/orders/*/amend",
    "delete": "DELETE /portfolio/order_groups/*",
    "settlements": "GET /portfolio/settlements",
    "deposits": "GET /portfolio/deposits",
    "withdrawals": "GET /portfolio/withdrawals",
    "shards": "GET /portfolio/intra_exchange_instance_transfers",
    "subaccounts": "GET /portfolio/subaccounts/transfers",
    "timestamp": "GET /exchange/user_data_timestamp",
    "limits": "GET /account/limits",
    "costs": "GET /account/endpoint_costs",
    "schedule": "GET /exchange/schedule",
    "trades": "GET /markets/trades",
}
"""The endpoints that may die alone. The bot needs the others to quote."""

ALL = "all"
EXPLAIN_CASH = ("settlements", "deposits", "withdrawals", "shards", "subaccounts")
"""Without one of them no cash is called unexplained."""

START, MIDDLE = "start", "middle"
PHASES = (START, MIDDLE)

GIFT = Decimal("3.21")
"""Dollars that come without an entry in any list."""

GRACE = 2
"""Cycles without quotes that are allowed after the endpoint's death, after a triggered group, and after a
settlement that canceled an exit, which looks like a triggered group."""

_FULL = SIZE * CONTRACT

LAG = 1.0
"""Seconds that the account's lists lag while nothing tells how complete they are.

The simulator keeps a copy each second, so it may be a second more: as long as the bot reckons with."""

MOST_LINES = 2
"""Lines of the log that one death, or one return, of one endpoint may cost in one process."""

LONGEST = 3_600.0
"""Seconds that no cell reaches."""

UNTIL_BACK = 11
"""Cycles, of a minute each, within which all must be back."""


@dataclass(frozen=True)
class EndpointCell:
    """An endpoint of `ENDPOINTS`, or `ALL`; how it answers; from when on; and the bot's FILL_LIMIT."""

    endpoint: str
    kind: str
    phase: str
    fill_limit: int | None = None

    def __str__(self) -> str:
        if not self.endpoint:
            return f"nothing is missing, FILL_LIMIT {self.fill_limit}"
        return f"{self.endpoint} {self.kind} {self.phase} {self.fill_limit}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(ENDPOINTS) if self.endpoint == ALL else (self.endpoint,) if self.endpoint else ()

    def lacks(self, names: Iterable[str]) -> bool:
        return bool({*self.names} & {*names})


HEALTHY = (EndpointCell("", "", START), EndpointCell("", "", MIDDLE, 2 * SIZE))
"""Nothing is missing: what breaks here is not an endpoint's fault."""


def cells_of(endpoint: str) -> Iterator[EndpointCell]:
    """All cells of an endpoint. If quotes may be left without an order group, each comes with and without a
    FILL_LIMIT."""
    for kind in MISSING:
        for phase in PHASES:
            limits = (None if phase == START else 2 * SIZE,)
            if endpoint in ("create", "reset", ALL):
                limits = (None, 2 * SIZE)
            elif endpoint == "limit":  # a limit that is set never changes
                limits = (None,)
            for fill_limit in limits:
                yield EndpointCell(endpoint, kind, phase, fill_limit)


class EndpointStage(Stage):
    """A stage that counts the requests of each endpoint, and that records quotes which nothing stops from being
    filled beyond FILL_LIMIT."""

    def __init__(self, folder: Path, cell: EndpointCell) -> None:
        super().__init__(folder, "REST", (), at=OPENING, FILL_LIMIT=cell.fill_limit, SCAN_TIME=240)
        self.fill_limit = cell.fill_limit
        self.asked: Counter[str] = Counter()
        self.record: Ledger | None = None

    def carry(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        path = request.path_url.partition("?")[0].removeprefix("/trade-api/v2")
        name = name_of(f"{request.method} {path}")
        if name:
            self.asked[name] += 1
        try:
            return super().carry(request, **options)
        finally:
            self.broken += [one for one in self._beyond_fill_limit() if one not in self.broken]

    def _beyond_fill_limit(self) -> Iterator[str]:
        for shard, quotes in self._quotes_by_shard().items():
            total, largest = sum(added for _, added in quotes), max(order.remaining for order, _ in quotes)
            most = self.fill_limit * CONTRACT if self.fill_limit else largest
            if any(not self.is_guarded(order) for order, _ in quotes) and total > most:
                yield f"{total / CONTRACT:g} contracts rest on shard {shard} without an order group"
        for group in self.account.groups.values():
            if self.fill_limit and group.limit is not None and group.limit > self.fill_limit * CONTRACT:
                yield f"an order group lets {group.limit / CONTRACT:g} contracts be filled"

    def _quotes_by_shard(self) -> dict[int, list[tuple[Order, int]]]:
        """The bot's orders that may open a position, and by how many 1/100 contracts."""
        found: dict[int, list[tuple[Order, int]]] = {}
        for order in self.own():
            added = order.remaining - self.account.held_against(order.ticker, order.is_bid)
            if added > 0:
                found.setdefault(self.exchange.markets[order.ticker].shard, []).append((order, added))
        return found

    def is_guarded(self, order: Order) -> bool:
        """Whether the exchange cancels an order after too many fills."""
        return order.group_id in self.account.groups

    def opening_quotes(self) -> list[Order]:
        """The bot's orders that may open a position."""
        return [order for several in self._quotes_by_shard().values() for order, _ in several]

    def sides(self) -> int:
        """Sides of quoted markets on which an order rests, or whose whole size is held already."""
        held = [(name, one.count > 0) for name, one in self.account.holdings.items() if abs(one.count) >= _FULL]
        quoted = {one.ticker for one in self.opening_quotes()} | {name for name, _ in held}
        return len({*held, *((one.ticker, one.is_bid) for one in self.own() if one.ticker in quoted)})

    def unguarded(self) -> int:
        """Quotes that are in no order group."""
        return sum(not self.is_guarded(order) for order in self.opening_quotes())

    def know_balance(self) -> None:
        """An earlier session of this account found out how the exchange counts cash."""
        client = embedded_client(self.opened)
        client.get_exchange_status()  # its answer names the simulator's run
        now = self.clock.now()
        ledger = Ledger(self._ledger_file)
        ledger.open_for(client.identity, now)
        ledger.record(PendingWrites(now, cash_rule=KnownCashRule(CashRule(BalanceReading("gross")), now)))
        ledger.close()

    def report(self) -> Report:
        """What `main.py report` would tell now."""
        if self.record is None:
            self.record = Ledger(self._ledger_file, read_only=True)
        return build_report(read_report_facts(self.record))

    def explained_until(self) -> datetime | None:
        """Until when the ledger's cash is explained."""
        assert self.record is not None
        span = self.record.last_span()
        return span.until if span else None

    def close(self) -> None:
        if self.record is not None:
            self.record.close()
        super().close()

    # -- what happens meanwhile --------------------------------------------------------------------------------

    def move_cash(self) -> None:
        """A deposit, a withdrawal, a transfer between shards and one between subaccounts, each listed, and a gift
        that is not. No two amounts are alike."""
        self.exchange.deposit_cash(self.account, 0, 2_000, 40)
        self.exchange.withdraw_cash(self.account, 0, 1_100)
        self.exchange.move_cash(self.account, 0, 1, 15 * DOLLAR)
        self.exchange.set_cash_aside(self.account, 0, 700)
        self.account.book(self.exchange.now, 0, int(GIFT * DOLLAR), "gift", "")

    def trip(self) -> None:
        for group in list(self.account.groups.values()):
            order_groups.trigger(self.exchange, CUSTOMER, group.group_id, group.shard)


class Episode:
    """One cell on its own stage, from the opening to the bot's end.

    `struck`: how many requests were answered wrongly, by endpoint. `least`: the fewest sides that were quoted in a
    cycle that must have some."""

    def __init__(self, stage: EndpointStage, cell: EndpointCell) -> None:
        self._stage, self._cell = stage, cell
        self._rules: dict[str, Rule] = {}
        self._grace, self._bought = 0, ""
        self._is_dead = self._is_filled = self._is_found = False
        self._since: Counter[str] = Counter()
        self._marks: list[int] = []
        self.least = stage.full

    @property
    def struck(self) -> dict[str, int]:
        return {name: rule.struck for name, rule in self._rules.items()}

    def direct(self) -> Script:
        try:
            yield from self._life()
        except BotEnded as early:
            self._stage.broken.append(str(early))
            self._stage.after_end(early.ended)

    def _life(self) -> Script:
        stage = self._stage
        if self._cell.phase == START:
            self._strike()
        happens: Mapping[int, Callable[[], object]] = {
            1: self._die,
            2: self._buy,
            3: stage.move_cash,
            5: self._trip,
            9: self._settle,
        }  # midnight is in the wait after the fourth cycle
        self._begin()
        for cycle in range(1, 13):
            yield from self._turn()
            happens.get(cycle, lambda: None)()
            self._fill()
        yield from self._stop()
        self._begin()
        before = self.struck
        for _ in range(GRACE + 1):
            yield from self._turn()
        stage.lift()
        self._is_dead, self._since = False, Counter(stage.asked)
        self._lately = {name for name, times in self.struck.items() if times > before[name]}
        missing: list[str] = []
        for _ in range(UNTIL_BACK):
            yield from self._turn()
            missing = list(self._missing())
            if not missing:
                break
        stage.broken += [f"{UNTIL_BACK} minutes after the return: {what}" for what in missing]
        yield from self._stop()
        self._judge_log()

    def _die(self) -> None:
        if self._cell.phase == MIDDLE:
            self._strike()

    def _buy(self) -> None:
        self._bought = by_hand.buy_elsewhere(self._stage.exchange)

    def _strike(self) -> None:
        self._rules = {name: Rule(self._cell.kind) for name in self._cell.names}
        aimed = [(rule, partial(_is_of, ENDPOINTS[name])) for name, rule in self._rules.items()]
        if self._cell.lacks(["timestamp"]):
            lag = Rule("stale", until=self._stage.elapsed + LONGEST, given={"seconds": LAG})
            aimed.append((lag, partial(_is_of, "GET /portfolio/*")))
        self._stage.strike(aimed)
        self._is_dead, self._grace = bool(self._rules), GRACE

    def _fill(self) -> None:
        """A trader takes the first quote that rests, whole. To need a wider order group, the owner buys more."""
        quotes = self._stage.opening_quotes()
        if quotes and not self._is_filled:
            self._is_filled = True
            self._stage.take(quotes[0])
            if self._cell.endpoint == "limit":
                by_hand.buy_beside(self._stage.exchange, quotes[0])

    def _settle(self) -> None:
        if not self._stage.account.holdings[self._bought].count:
            self._stage.broken.append("what was bought by hand is not held until its settlement")
        lifecycle.settle_now(self._stage.exchange, self._stage.exchange.markets[self._bought], "yes")
        self._grace = GRACE

    def _trip(self) -> None:
        self._stage.trip()
        self._grace = GRACE

    def _begin(self) -> None:
        self._marks.append(len(self._stage.log))
        self._grace = GRACE if self._is_dead else 0

    def _turn(self) -> Script:
        stage = self._stage
        yield from turn(stage)
        if not self._grace:
            self.least = min(self.least, stage.sides())
            if not stage.opening_quotes():
                self._once(f"no quote rests at {stage.clock.now():%H:%M}")
        self._grace = max(self._grace - 1, 0)
        self._judge_cash()

    def _stop(self) -> Script:
        ended = yield KeyboardInterrupt
        assert isinstance(ended, Ended)
        if ended.code != 0:
            self._stage.broken.append(f"the bot ended with {ended.code} after Ctrl-C")
        self._stage.after_end(ended)

    # -- what must hold ----------------------------------------------------------------------------------------

    def _judge_cash(self) -> None:
        """No cash is called a reward. What is called unexplained is the gift, and only as long as the bot has not
        met an endpoint that may explain it and is dead."""
        report = self._stage.report()
        named = [one.amount for one in report.unexplained]
        is_blind = self._is_dead and any(self.struck.get(name) for name in EXPLAIN_CASH)
        self._is_found = self._is_found or (named == [GIFT] and not is_blind)
        if named not in ([], [GIFT]) or (named and not self._is_found):
            self._once(f"${', $'.join(map(str, named))} called unexplained at {self._stage.clock.now():%H:%M}")
        paid = [one.credit for one in report.windows if one.credit] + [one.amount for one in report.of_series]
        if paid:
            self._once(f"${', $'.join(map(str, paid))} called a reward at {self._stage.clock.now():%H:%M}")

    def _once(self, what: str) -> None:
        start = what.rpartition(" at ")[0]
        if not any(one.startswith(start) for one in self._stage.broken):
            self._stage.broken.append(what)

    def _missing(self) -> Iterator[str]:
        """What is not as it was before the endpoint died."""
        stage = self._stage
        if stage.sides() < stage.full:
            yield f"{stage.sides()} of {stage.full} sides are quoted"
        if stage.unguarded():
            yield f"{stage.unguarded()} quotes are in no order group"
        named = [one.amount for one in stage.report().unexplained]
        if named != self._gift():
            yield f"unexplained is {named}, not {self._gift()}"
        until = stage.explained_until()
        if until is None or stage.clock.now() - until > timedelta(seconds=90):
            yield f"the cash is explained until {until and f'{until:%H:%M}'} only"
        yield from stage.unknown()
        for name in sorted(self._lately):
            if ENDPOINTS[name].startswith("GET") and not self._asked_again(name):
                yield f"{ENDPOINTS[name]} was not asked again"

    def _gift(self) -> list[Decimal]:
        """The gift is seen unless the balance was never read before it came."""
        blind = self._cell.phase == START and self._cell.lacks(["balance"])
        return [] if blind else [GIFT]

    def _asked_again(self, name: str) -> bool:
        return self._stage.asked[name] > self._since[name]

    def _judge_log(self) -> None:
        """A death is told once in each process that meets it, a return once in the process that knew of the
        death."""
        log = self._stage.log
        for bad in ("[OUTAGE]", "[HALT]", "Traceback"):
            if bad in log:
                self._stage.broken.append(f"the log has {bad}")
        first, second = log[self._marks[0] : self._marks[1]], log[self._marks[1] :]
        for name, times in self.struck.items():
            died = [_lines(part, name, False) for part in (first, second)]
            back = _lines(second, name, True)
            if times and not any(died) and not self._looks_fine(name):
                self._stage.broken.append(f"the log does not say that {ENDPOINTS[name]} is missing")
            for lines in (*died, back):
                if len(lines) > MOST_LINES:
                    self._stage.broken.append(f"{len(lines)} lines of the log say the same: {lines[-1]}")
            if died[1] and self._asked_again(name) and not back:
                self._stage.broken.append(f"the log does not say that {ENDPOINTS[name]} answers again")

    def _looks_fine(self, name: str) -> bool:
        """Whether a wrong answer may also mean success, or that a group is gone, and need not be told."""
        return name in ("limit", "reset", "delete") and self._cell.kind in ("404", "404_html", "nonsense")


def name_of(request: str) -> str:
    """The name of a request's endpoint, such as "GET /events"; empty if the bot needs it."""
    return next((name for name, on in ENDPOINTS.items() if fnmatchcase(request, on)), "")


def _is_of(on: str, method: str, path: str, _: Mapping[str, Any]) -> bool:
    return fnmatchcase(f"{method} {path}", on)


_BACK = re.compile(r"(answers|works) again")


def _lines(log: str, name: str, is_back: bool) -> list[str]:
    """The lines that tell of an endpoint: that it answers again, or anything else."""
    on = re.compile(re.escape(ENDPOINTS[name]).replace(r"\*", r"[^ /]+") + r"(?![\w/])")
    return [line for line in log.splitlines() if on.search(line) and bool(_BACK.search(line)) == is_back]
