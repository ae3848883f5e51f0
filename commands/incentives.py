"""The ranked board of markets: `python main.py incentives [--why TICKER]`.

Promise:
- It only reads.
- It shows what the bot would decide with the same settings at this moment.

With `--why` it prints every number behind one market's rank.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from textwrap import fill

import market_bot
import trade
from bot.settings import Settings, in_words, strategy_of
from clients import KalshiHttpClient
from commands import context
from commands.cash import read_free
from commands.status_facts import LedgerKnowledge, ledger_knowledge
from exchange.models import Order, Program
from exchange.orderbook import SIDES, Bid, Book, Side
from incentive import Board, IncentiveProgram, Strategy
from rewards import rule_2026_07_30 as rule
from rewards.estimate import (
    NEUTRAL,
    RIVAL_MULTIPLIER,
    Candidate,
    RewardedMarket,
    Scored,
    dollars_per_day,
    score_terms,
)
from rewards.rule_2026_07_30 import TopTick
from rewards.skips import Skip, contracts
from risk import exposure
from risk.exposure import Headroom
from runtime import log_format
from runtime.console import ExitCode, progress, table, typed
from selection.ranking import Selection
from simulator.embedded import OPENED

WIDTH = 100

NOTHING_KNOWN = LedgerKnowledge()

SHOWN = 20
"""Number of the best markets without a slot that are listed one by one."""


def run(args: argparse.Namespace) -> int:
    """Print the ranked board, or the numbers of one market. Returns the exit code."""
    environment, connection = context.connected()
    settings = context.settings()
    known = ledger_knowledge(market_bot.paths().ledger(environment), environment, connection)
    view = read_view(connection.client, settings, known)
    if args.why and not view.lists(args.why):
        where = ", opened for this command alone" if connection.is_private else ""
        told = f"{args.why} has no program that is listed as active on this exchange{where}"
        print(f"main: {told}. A market that has one: {why_command(view)}", file=sys.stderr)
        return ExitCode.MISCONFIGURED
    print(context.named(environment, connection, OPENED), end="\n\n")
    print(market_text(view, args.why) if args.why else board_text(view))
    context.warn(connection)
    if connection.is_private:
        print(f"\n{context.sharing()}")
    return ExitCode.OK


@dataclass(frozen=True)
class BoardView:
    """The board at one moment, and what it was scanned with."""

    settings: Settings
    incentive_program: IncentiveProgram
    strategy: Strategy
    board: Board
    headroom: Headroom
    resting: Sequence[Order]
    expires: datetime

    def lists(self, ticker: str) -> bool:
        """Whether a market has a program that is listed as active."""
        return any(program.ticker == ticker for program in self.board.programs)


def read_view(client: KalshiHttpClient, settings: Settings, known: LedgerKnowledge = NOTHING_KNOWN) -> BoardView:
    """Scan the board as the bot does.

    `known`: what the bot's ledger knows. Raises `ExchangeError` if the exchange does not answer.
    """
    strategy = strategy_of(settings)
    incentives = IncentiveProgram(client, strategy, progress)
    status = client.get_exchange_status()
    resting = client.get_resting_orders().items
    ours = [order for order in resting if trade.is_own(order)]
    theirs = [order for order in resting if not trade.is_own(order)]
    limits = (settings.max_capital, settings.max_event_loss)
    positions = client.get_positions()
    cash = read_free(client, known.cash_rule, resting, positions)
    headroom = exposure.remaining_headroom(limits, cash, positions, theirs, ours)
    expires = client.clock.now() + timedelta(seconds=settings.wait_time + settings.expiration_ts)
    quoted = frozenset(order.ticker for order in ours)
    board = incentives.scan(status, resting, expires, headroom, known.accrued_by_program, quoted=quoted)
    return BoardView(settings, incentives, strategy, board, headroom, resting, expires)


# -- the ranked board ------------------------------------------------------------------------------------------


def board_text(view: BoardView) -> str:
    """The board as text: quoted markets, the next best, and the others by reason."""
    board = view.board
    selection = board.selection
    pool = sum(map(dollars_per_day, board.programs))
    parts = [
        f"Under the {rule.TITLE}: {len(board.programs):,} programs, ${pool:,.0f} a day shared by all makers",
        table("Would be quoted", _HEADS, [_row(candidate) for candidate in selection.chosen]),
        table("Next, without a slot", _NEXT_HEADS, _next(selection)),
        table("Left out", ("Reason", "Markets"), _counts(selection.skipped)),
    ]
    if board.advice:
        parts.append(fill(f"Advice: {board.advice}.", WIDTH))
    parts.append(f"{fill(_READING, WIDTH)}\nEvery number behind a market: {why_command(view)}")
    if board.problems:
        parts.append(
            f"{len(board.problems)} part(s) of the board could not be read. The first: {board.problems[0]}"
        )
    return "\n\n".join(parts)


_READING = (
    "A day: the reward before the $1.00 floor. Payable: what the windows pay by their ends; a window below $1.00 "
    "pays nothing. Both assume that the book does not change, and leave out the cost of fills. Net a day: with "
    f"{RIVAL_MULTIPLIER:g} times the rivals, less fill costs and fees."
)


def why_command(view: BoardView) -> str:
    """The command that prints every number behind one market.

    It names the one of the best markets that closes last: a simulated exchange that is opened a minute later has
    other tickers for the next hours.
    """
    selection = view.board.selection
    best = [*selection.chosen, *selection.runners_up]
    lasting = max(best, key=lambda one: one.incentive.market.close_time, default=None)
    others = (program.ticker for program in view.board.programs)
    return typed(f"main.py incentives --why {lasting.ticker if lasting else next(others, 'TICKER')}")


_HEADS = ("Ticker", "Pool a day", "Yes", "No", "Share yes, no", "A day", "Payable", "Net a day", "Ties up")


def _row(candidate: Candidate) -> Sequence[str]:
    estimate = candidate.estimate
    bids = {bid.side: f"{log_format.count_text(bid.count)} at {bid.price:.4f}" for bid in candidate.bids}
    yes, no = (bids.get(side, "-") for side in SIDES)
    return (
        candidate.ticker,
        f"${candidate.incentive.pool_per_day:,.2f}",
        yes,
        no,
        f"{estimate.share_yes:.2%}, {estimate.share_no:.2%}",
        f"${estimate.dollars_per_day:.4f}",
        f"${estimate.payable:.2f}",
        log_format.signed_dollars(candidate.conservative.net_per_day),
        f"${candidate.collateral:.2f}",
    )


_NEXT_HEADS = ("Ticker", "A day", "Payable", "Net a day", "Reason")


def _next(selection: Selection) -> list[Sequence[str]]:
    """The best markets without a slot, with their estimates if there are any."""
    known = {candidate.ticker: candidate for candidate in selection.runners_up}
    rows: list[Sequence[str]] = []
    for skip in selection.skipped[:SHOWN]:
        candidate = known.get(skip.ticker)
        if candidate is None:
            rows.append((skip.ticker, "", "", "", skip.text))
            continue
        estimate = candidate.estimate
        numbers = f"${estimate.dollars_per_day:.4f}", f"${estimate.payable:.2f}"
        rows.append(
            (
                skip.ticker,
                *numbers,
                log_format.signed_dollars(candidate.conservative.net_per_day),
                skip.text,
            )
        )
    return rows


def _counts(skipped: Sequence[Skip]) -> list[Sequence[str]]:
    counts = Counter(skip.reason.value for skip in skipped)
    return [(reason, f"{count:,}") for reason, count in counts.most_common()]


# -- one market ------------------------------------------------------------------------------------------------


def market_text(view: BoardView, ticker: str) -> str:
    """Every number behind a market's rank, or its one reason, as text."""
    lines = [f"{ticker}: {_verdict(view, ticker)}", *_own_settings(view.settings, ticker)]
    for program in view.board.programs:
        if program.ticker == ticker:
            lines.append(f"  Program: {_terms(program, view.board.at)}")
    read = view.incentive_program.one_market(ticker, view.resting)
    if read is None:
        return "\n".join(lines)
    incentive, rivals = read
    lines += [f"  {line}" for line in _market(incentive, view)]
    bids = _bids(view, incentive, rivals)
    scored = incentive.score(rivals, bids)
    for number, program in enumerate(incentive.programs):
        if len(incentive.programs) > 1:
            lines.append(f"  By the program of ${program.reward:,.2f}:")
        lines += [f"  {line}" for line in _sides(incentive, rivals, scored, number)]
    lines += [f"  {line}" for line in _estimates(view, incentive, scored)] if bids else []
    lines += [f"  {line}" for line in _if_counted(view, incentive, rivals)]
    return "\n".join(lines)


def _verdict(view: BoardView, ticker: str) -> str:
    selection = view.board.selection
    for rank, candidate in enumerate(selection.chosen, start=1):
        if candidate.ticker == ticker:
            unpaid = "; it would be paid $0.00, but a slot is free" if ticker in selection.unpaid else ""
            return f"would be quoted, {rank} of {len(selection.chosen)}{unpaid}"
    for skip in selection.skipped:
        if skip.ticker == ticker:
            return f"is not quoted. Reason: {skip.text}"
    return "has no program that is listed as active"


def _own_settings(settings: Settings, ticker: str) -> Iterator[str]:
    """The line on which entry of `OVERRIDES` a market takes, if there are entries."""
    pattern = settings.per_market.pattern_of(ticker)
    if pattern is not None:
        yield f'  Settings: {in_words(dict(settings.overrides)[pattern])} by "{pattern}" of OVERRIDES'
    elif settings.overrides:
        yield "  Settings: the general ones; no pattern of OVERRIDES matches"


def _terms(program: Program, now: datetime) -> str:
    left = max((program.end - now).total_seconds(), 0.0) / 3600
    cap = "" if program.cap is None else f", at most ${program.cap:,.2f} an account"
    return (
        f"${program.reward:,.2f} from {program.start:%Y-%m-%d %H:%M} to {program.end:%Y-%m-%d %H:%M} UTC, "
        f"${dollars_per_day(program):,.2f} a day, {left:,.1f} hours left, "
        f"target {contracts(program.target or 0)}, discount {program.discount}{cap}"
    )


def _market(incentive: RewardedMarket, view: BoardView) -> Iterator[str]:
    market = incentive.market
    resolves = ""
    if market.expected_resolution:
        resolves = f", expected to resolve {market.expected_resolution:%Y-%m-%d %H:%M} UTC"
    yield (
        f"Market: {market.status.value}, shard {market.exchange_index}, "
        f"closes {market.close_time:%Y-%m-%d %H:%M} UTC{resolves}"
    )
    yield (
        f"Volume: {contracts(market.volume_24h)} contracts in 24 hours, "
        f"{market.volume_a_day(view.board.at):,.0f} a day at that pace; "
        f"maker fee {incentive.maker_rate:.4f} x P x (1 - P) a contract"
    )
    kind = "exclude each other" if incentive.exclusive else "are not known to exclude each other"
    at_risk = view.headroom.event_risk(market.event_ticker)
    yield f"Event: {market.event_ticker}, its markets {kind}; ${at_risk:.2f} at risk in it already"
    yield (
        f"Limits: ${view.headroom.capital:.2f} of capital left, "
        f"${view.headroom.cash_on(market.exchange_index):,.2f} free on its shard, "
        f"${view.headroom.event_loss:.2f} may be lost in an event"
    )


def _bids(view: BoardView, incentive: RewardedMarket, rivals: Book) -> tuple[Bid, ...]:
    """The bids of the scan's choice, or else the bids of the fixed size."""
    for candidate in view.board.selection.chosen:
        if candidate.ticker == incentive.ticker:
            return candidate.bids
    here = view.strategy.trade.for_market(incentive.ticker)
    prices, size = here.prices(incentive, rivals), here.trade_size
    return () if isinstance(prices, Skip) or size is None else prices.bids(size, size)


def _sides(incentive: RewardedMarket, rivals: Book, scored: Scored, number: int) -> Iterator[str]:
    """Lines on both sides, by one program's terms."""
    target, discount = score_terms(incentive.programs[number])
    prices = {bid.side: bid for bid in scored.bids}
    for side in SIDES:
        levels, ours = rivals.side(side), [bid for bid in scored.bids if bid.side is side]
        ticks, top = incentive.market.grid.tick_table(side), incentive.market.grid.tops[SIDES.index(side)]
        score = rule.score_side(levels, ours, target, discount, ticks, top)
        resting = sum((level.size for level in levels), start=Decimal(0))
        yield (
            f"{side.value.title()}: rivals rest {contracts(resting)} of the target {contracts(target)}, "
            f"{_best(rivals, side)}"
        )
        yield f"  {_top(rivals, side)}"
        if side in prices:
            bid = prices[side]
            ahead = scored.ahead[scored.bids.index(bid)]
            yield (
                f"  ours: {log_format.count_text(bid.count)} at {bid.price:.4f}, "
                f"{contracts(ahead)} of rivals at that price or ahead of it"
            )
        if score is None and incentive.side_at_top_tick(rivals) is side:
            yield "  its best bid is at the top tick: the bot takes the side as disqualified, so no second pays"
        elif score is None:
            yield "  misses the target, even with our bids: the market's seconds pay nothing"
        else:
            yield (
                f"  reference {score.reference:.4f}, paid down to {score.paid_down_to:.4f}; weighted contracts: "
                f"rivals {score.rivals:,.2f}, ours {score.ours:,.2f}; share {score.share():.4%}, "
                f"with {RIVAL_MULTIPLIER:g} times the rivals {score.share(RIVAL_MULTIPLIER):.4%}"
            )


def _if_counted(view: BoardView, incentive: RewardedMarket, rivals: Book) -> Iterator[str]:
    """Lines on what the other reading would change, if a side is at the top tick."""
    if incentive.side_at_top_tick(rivals) is None:
        return
    counted = incentive._replace(top_tick=TopTick.COUNTED)
    selection = view.strategy.decide(
        [counted], {counted.ticker: rivals}, view.board.at, view.headroom, frozenset()
    )
    yield "If the exchange counted a side whose best bid is at the top tick (this bot does not trade on that):"
    for skip in selection.skipped:
        yield f"  the market would not be quoted all the same. Reason: {skip.text}"
    for candidate in selection.chosen:
        for bid in candidate.bids:
            yield f"  ours: {log_format.count_text(bid.count)} {bid.side.value} at {bid.price:.4f}"
        yield from (f"  {line}" for line in _estimates(view, counted, candidate.scored))


def _best(rivals: Book, side: Side) -> str:
    best = rivals.best(side)
    return f"best bid {best.price:.4f}" if best else "no bids"


def _top(rivals: Book, side: Side) -> str:
    return log_format.top_levels(rivals)[SIDES.index(side)]


def _estimates(view: BoardView, incentive: RewardedMarket, scored: Scored) -> Iterator[str]:
    decides = view.strategy.estimate_rules.of(incentive.ticker)
    for name, taken in (("Book as it is", NEUTRAL), ("For the decision", decides)):
        found = incentive.estimate(scored, view.board.at, taken)
        yield (
            f"{name}: ${found.dollars_per_day:.4f} a day before the floor, ${found.window:.4f} a window, "
            f"${found.payable:.2f} payable by the windows' ends, of which quoting on adds "
            f"${found.worth_per_day:.4f} a day"
        )
    yield (
        f"Fills: {found.fills_per_day:,.2f} a day expected, ${found.fill_cost_per_day:.4f} of losses and "
        f"${found.fees_per_day:.4f} of fees; net {log_format.signed_dollars(found.net_per_day)} a day"
    )
    qualified = f"qualified in {incentive.qualified:.0%} of the looks"
    tied_up = sum(map(incentive.cost, scored.bids), start=Decimal(0))
    yield f"Ties up ${tied_up:.4f}; {qualified}"
