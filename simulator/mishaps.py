"""Apply a script's faults between the wire and the exchange.

Promise:
- Apart from its fault, a struck request that is not lost is handled as usual.

The faults of `simulator.faults`, with their parameters:

- `refused`, `reset_before`, `timeout_before`: the request never reaches the exchange. `reset_after`,
  `timeout_after`: the exchange acts, and the answer is lost. `latency`: the answer arrives `seconds` late.
- `429`, `500`, `503`, `503_html`: the client gets this error and the exchange does nothing. With `acted` the
  exchange acts in addition to the error.
- `order_refused`: a create or an amend is refused with `status` (400) and `code` (`invalid_price`), as the engine
  refuses it: any order, or those of the market `ticker`, and of the `side` (bid or ask). Nothing else is struck.
- `403`, `404`, `404_html`, `501`, `501_text`, `html`, `nonsense`: likewise, for an endpoint that is not there for
  this client. See `simulator.missing_endpoint`.
- The exchange acts, but its answer is damaged: `truncated` (cut in half), `no_order` (a success without the
  order), `unknown_status`, `missing_field` (`field`), `repeated_cursor` (a page names itself as the next).
- `stale`: reads of the account lag `seconds` behind. From `from` to `until`, `/exchange/user_data_timestamp` shows
  the lag. `clock_jump`: the clock with which the exchange checks signatures and dates its answers is off by
  `seconds`.
- `trading_paused`, `exchange_paused` (`shards`, or all), `halted` (`ticker`): last from `from` to `until`, or
  forever without `until`. A rule with `on` starts them at the struck request instead.
- `closes`, `settles` (`result`, or the `value` of YES in cents), `new_grid` (`grid`: linear, tapered, deci): a
  market closes, is paid out, or gets another price grid. It is the market `ticker`, or else the one that the
  struck request is about.
- `partial_fill`: a simulated trader takes `part` (0.5) of an order just before its cancel, or before any other
  struck request. It is the order that the request names, or else the oldest that rests in the market.
- `hole`: for `seconds` (30) others bid nothing for `side` (yes) of a market but one order at a cent; then they
  come
  back. The market is chosen as for `closes`.
- `cash_moved`: `amount` dollars, or the free cash if that is less, move from shard `source` to `destination`.
  `cash_withdrawn`, `cash_set_aside`: that amount leaves the account, or goes to another subaccount.
  `cash_deposited`: `amount` less `fee` (0) arrives as a deposit. `cash_given`: the amount arrives without an entry
  in any list.
- `stranger`: another program of the account's owner bids for a contract at the market's lowest price, until
  `until` (or for good). It is the market `ticker`, or else that of the struck request. The client order id is
  `name` and a number.
- `group_triggered`: all order groups trigger. `key_revoked`: all keys are revoked.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from simulator import book_hole, lifecycle, missing_endpoint, order_entry, order_groups, pauses
from simulator.account import Account
from simulator.api import listing_forms
from simulator.api.service import ROOT, Api
from simulator.api.wire import Answer, BodyRefused, Request
from simulator.exchange import Exchange, Refusal
from simulator.faults import EVENTS, MISSING, ORDER_WRITES, Rule, UnusableFaults
from simulator.listing import DECI, LINEAR, TAPERED, ListedMarket
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS, Order
from simulator.opening import CUSTOMER
from simulator.order_entry import OrderTerms

GRIDS = {"linear": LINEAR, "tapered": TAPERED, "deci": DECI}

CENT_PIPS = DOLLAR_PIPS // 100

HTML = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body>503</body></html>"


class Mishaps:
    """An `Api` whose requests and answers a script of faults changes."""

    def __init__(self, api: Api, rules: Sequence[Rule]) -> None:
        self._api = api
        self._exchange = api.exchange
        self._rules = rules
        for number, rule in enumerate(rules, start=1):
            if rule.given.get("ticker", "") not in ("", *self._exchange.markets):
                raise UnusableFaults(f"rule {number}: there is no market {rule.given['ticker']} at the opening")
        self._dice = random.Random(f"{self._exchange.seed}:faults")
        self._shapes = random.Random(f"{self._exchange.seed}:nonsense")
        self._clocks = api.clocks
        self._skew = 0.0
        for rule in rules:
            if rule.at_a_time:
                self._plan(rule)
        stale = [rule for rule in rules if rule.do == "stale"]
        self._history = _History(self._exchange, stale) if stale else None

    def handle(self, request: Request, now: float) -> Answer:
        """Answer a request that arrives at `now` (Unix seconds), with any faults."""
        self._exchange.advance(now)
        path = request.path.removeprefix(ROOT)
        elapsed = now - self._exchange.opened
        struck = [
            rule
            for rule in self._rules
            if rule.strikes(request.method, path, elapsed, self._dice, _is_its(rule, request, path))
        ]
        by_kind = {rule.do: rule for rule in struck}
        for rule in struck:
            if rule.do in EVENTS:
                self._happen(rule, _market_of(self._exchange, request), _order_of(self._exchange, request))
        for kind, cut in (("refused", "refused"), ("reset_before", "reset"), ("timeout_before", "timeout")):
            if kind in by_kind:
                return Answer(0, None, cut=cut)
        self._bend_time(by_kind)
        answer = _instead(self._exchange, by_kind, path, self._shapes)
        if answer is None:
            answer = self._api.handle(request, now)
            if path == "/exchange/user_data_timestamp" and answer.status == 200:
                answer = replace(answer, body={"as_of_time": listing_forms.moment(self._as_of(elapsed))})
        elif any(rule.given.get("acted") for rule in struck):
            self._api.handle(request, now)
        return _spoil(answer, by_kind, request, now + self._skew)

    def _as_of(self, elapsed: float) -> float:
        """The time up to which the account's lists are complete, by the `stale` rules.
        A copy lacks what happens at its own moment, and the API tells that moment in whole milliseconds."""
        lags = [r.given["seconds"] for r in self._rules if r.do == "stale" and r.starts <= elapsed < r.until]
        if not lags or self._history is None:
            return self._exchange.lists_as_of
        lag = float(max(lags))
        return min(self._history.copy(lag)[0] - 0.001, self._exchange.now - lag, self._exchange.lists_as_of)

    def _bend_time(self, by_kind: Mapping[str, Rule]) -> None:
        jump = by_kind.get("clock_jump")
        self._skew = float(jump.given["seconds"]) if jump else 0.0
        self._api.clocks = self._skewed if jump else self._clocks
        stale = by_kind.get("stale")
        history = self._history
        if stale is not None and history is not None:
            lag = float(stale.given["seconds"])
            self._api.read_account = lambda: history.copy(lag)[1]
        else:
            self._api.read_account = None

    def _skewed(self) -> list[float]:
        return [time + self._skew for time in (self._clocks() if self._clocks else [self._exchange.now])]

    def _plan(self, rule: Rule) -> None:
        """Schedule an event that strikes at its time."""
        self._exchange.at(self._exchange.opened + rule.starts, lambda: self._happen(rule, None, None))

    def _happen(self, rule: Rule, about: ListedMarket | None, order: Order | None) -> None:
        """Apply an event, and schedule its end at `until`."""
        exchange = self._exchange
        market = exchange.markets.get(rule.given["ticker"]) if "ticker" in rule.given else about
        _happen(self._api, rule, market, order)
        if rule.until < float("inf"):
            exchange.at(exchange.opened + rule.until, lambda: _end(exchange, rule, market))


class _History:
    """Copies of the customer's account, one a second, while a rule may need them."""

    def __init__(self, exchange: Exchange, rules: Sequence[Rule]) -> None:
        self._exchange = exchange
        self._most = max(float(rule.given["seconds"]) for rule in rules)
        self._until = exchange.opened + max(rule.until for rule in rules)
        self._kept: list[tuple[float, Account]] = []
        begins = exchange.opened + min(rule.starts for rule in rules) - self._most
        if begins > exchange.now:
            exchange.at(begins, self._remember)
        else:
            self._remember()

    def _remember(self) -> None:
        now = self._exchange.now
        self._kept.append((now, self._exchange.accounts[CUSTOMER].as_it_is()))
        while len(self._kept) > 2 and self._kept[1][0] <= now - self._most:
            self._kept.pop(0)
        if now < self._until:
            self._exchange.at(now + 1.0, self._remember)

    def copy(self, lag: float) -> tuple[float, Account]:
        """The time and the content of the last copy that is at least `lag` seconds old.
        If no copy is that old, those of the first."""
        due = self._exchange.now - lag
        return [copy for copy in self._kept if copy[0] <= due or copy is self._kept[0]][-1]


def _instead(exchange: Exchange, by_kind: Mapping[str, Rule], path: str, dice: random.Random) -> Answer | None:
    """What a rule sends in the exchange's place, or None."""
    if "429" in by_kind:
        return Answer(429, {"error": "too many requests"})
    if "500" in by_kind:
        return Answer(500, {"error": {"code": "internal_server_error", "message": "internal server error"}})
    if "503" in by_kind:
        return Answer(503, listing_forms.exchange_status(exchange))
    if "503_html" in by_kind:
        return Answer(503, HTML, content_type="text/html")
    if "order_refused" in by_kind:
        given = by_kind["order_refused"].given
        code = given.get("code", "invalid_price")
        told = {"code": code, "message": code.replace("_", " "), "service": "exchange"}
        return Answer(given.get("status", 400), {"error": told})
    missing = next((kind for kind in MISSING if kind in by_kind), None)
    return missing_endpoint.answer(missing, path, dice) if missing else None


def _is_its(rule: Rule, request: Request, path: str) -> bool:
    """Whether a rule may strike a request, by the request's order."""
    if rule.do != "order_refused":
        return True
    if not any(fnmatchcase(f"{request.method} {path}", one) for one in ORDER_WRITES):
        return False
    given = rule.given
    return all(name not in given or given[name] in _named(request, name) for name in ("ticker", "side"))


def _spoil(answer: Answer, by_kind: Mapping[str, Rule], request: Request, time: float) -> Answer:
    """Damage, date, cut or delay an answer as the rules say."""
    body = json.loads(answer.payload) if isinstance(answer.body, Mapping) else None
    if body is not None and answer.status < 300:
        if "no_order" in by_kind:
            body = {}
        if "missing_field" in by_kind:
            for found in list(_objects(body)):
                found.pop(by_kind["missing_field"].given["field"], None)
        if "unknown_status" in by_kind:
            for found in _objects(body):
                found.update({"status": "pondering"} if "status" in found else {})
        if "repeated_cursor" in by_kind:
            name = "next_cursor" if "incentive_programs" in body else "cursor"
            body[name] = request.value("cursor") or "again"
        answer = replace(answer, body=body)
    if "truncated" in by_kind:
        answer = replace(answer, body=answer.payload[: max(len(answer.payload) // 2, 1)])
    if "clock_jump" in by_kind:
        answer = replace(answer, headers={"Date": listing_forms.http_date(time)})
    for kind, cut in (("reset_after", "reset"), ("timeout_after", "timeout")):
        if kind in by_kind:
            answer = replace(answer, cut=cut)
    late = by_kind.get("latency")
    return replace(answer, delay=float(late.given["seconds"])) if late else answer


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects in an answer, including the answer itself."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)


def _order_of(exchange: Exchange, request: Request) -> Order | None:
    """The first resting order that a request names, or None."""
    resting = exchange.accounts[CUSTOMER].resting
    names = (*request.path.split("/"), *_named(request, "order_id"))
    return next((resting[name] for name in names if name in resting), None)


def _market_of(exchange: Exchange, request: Request) -> ListedMarket | None:
    """The market that a request is about, or None if it names none."""
    order = _order_of(exchange, request)
    tickers = (
        order.ticker if order else "", *_named(request, "ticker"), *_named(request, "market_ticker"),
        *request.values("market_ticker"), *request.path.split("/"),
    )  # fmt: skip
    return next((exchange.markets[ticker] for ticker in tickers if ticker in exchange.markets), None)


def _named(request: Request, field: str) -> list[str]:
    """The text values of a field in a request's body, or in the orders of its batch."""
    try:
        body = request.json().fields
    except (Refusal, BodyRefused):
        return []
    batch = body.get("orders")
    rows = [body, *(batch if isinstance(batch, list) else [])]
    return [row[field] for row in rows if isinstance(row, Mapping) and isinstance(row.get(field), str)]


def _happen(api: Api, rule: Rule, market: ListedMarket | None, order: Order | None) -> None:
    """Apply an event to the exchange."""
    exchange, given = api.exchange, rule.given
    account = exchange.accounts[CUSTOMER]
    if rule.do in ("trading_paused", "exchange_paused"):
        pauses.pause(exchange, rule.do.partition("_")[0], given.get("shards"))
    elif rule.do == "cash_moved":
        source = given.get("source", 0)
        amount = min(round(given.get("amount", 100) * DOLLAR), exchange.free_cash(account, source))
        if amount > 0:
            exchange.move_cash(account, source, given.get("destination", 1), amount)
    elif rule.do in ("cash_withdrawn", "cash_set_aside"):
        source = given.get("source", 0)
        cents = min(round(given.get("amount", 100) * 100), exchange.free_cash(account, source) * 100 // DOLLAR)
        take = exchange.withdraw_cash if rule.do == "cash_withdrawn" else exchange.set_cash_aside
        if cents > 0:
            take(account, source, cents)
    elif rule.do == "cash_deposited":
        cents, fee = (round(given.get(name, otherwise) * 100) for name, otherwise in (("amount", 100), ("fee", 0)))
        exchange.deposit_cash(account, given.get("source", 0), cents, fee)
    elif rule.do == "cash_given":
        amount = round(given.get("amount", 100) * 100) * DOLLAR // 100
        account.book(exchange.now, given.get("source", 0), amount, "gift", "")
    elif rule.do == "group_triggered":
        for group in list(account.groups.values()):
            order_groups.trigger(exchange, CUSTOMER, group.group_id, group.shard)
    elif rule.do == "key_revoked":
        api.keys.clear()
    elif market is not None:
        _happen_to(exchange, rule, market, order)


def _happen_to(exchange: Exchange, rule: Rule, market: ListedMarket, order: Order | None) -> None:
    given = rule.given
    result = given["value"] * CENT_PIPS if "value" in given else given.get("result", "yes")
    if rule.do == "halted":
        lifecycle.halt(exchange, market)
    elif rule.do == "closes":
        lifecycle.close(exchange, market, lambda: result)
    elif rule.do == "settles":
        lifecycle.settle_now(exchange, market, result)
    elif rule.do == "new_grid":
        lifecycle.change_grid(exchange, market, GRIDS[given.get("grid", "deci")])
    elif rule.do == "stranger":
        expires = exchange.opened + rule.until if rule.until < float("inf") else None
        name = f"{given['name']}{exchange.next_number():032d}"
        terms = OrderTerms(market.ticker, True, market.grid.prices[0], CONTRACT, name, expires=expires)
        with suppress(Refusal):  # the market takes no orders, or no cash is left
            order_entry.create(exchange, CUSTOMER, terms)
    elif rule.do == "hole":
        book_hole.tear(
            exchange, market, given.get("side", "bid") == "bid", given.get("seconds", book_hole.SECONDS)
        )
    elif rule.do == "partial_fill":
        taken = order or next(iter(market.owned.values()), None)
        if taken is not None and exchange.trades_in(market):
            ahead = market.book.half(taken.is_bid).ahead_of(taken)
            part = max(int(taken.remaining * given.get("part", 0.5)), 1)
            exchange.crowd_take(market, not taken.is_bid, taken.price, ahead + part)


def _end(exchange: Exchange, rule: Rule, market: ListedMarket | None) -> None:
    """End a pause or a halt."""
    if rule.do in ("trading_paused", "exchange_paused"):
        pauses.resume(exchange, rule.do.partition("_")[0], rule.given.get("shards"))
    elif rule.do == "halted" and market is not None:
        lifecycle.reactivate(exchange, market)
