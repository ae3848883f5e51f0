"""Halt trading until you run `main.py resume`.

Promise:
- A halt is written to the account's state and to the ledger before the bot does anything else about it.
- A halt stands through restarts, and for every key and ledger of the account, until a person clears it.
- If one of the two cannot be written, the other holds the halt, and the log says so.

A vanished order never halts, because a pause, an order group or a person can cancel it. Unexplained cash never
halts, because rewards arrive without a label.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from bot import day_loss
from clients import KalshiHttpClient
from exchange.account import Position
from execution.cancel_reasons import CancelCause, CancelReason
from execution.canceler import Canceler
from ledger.account_state import AccountState
from ledger.bookkeeper import Bookkeeper
from ledger.database import LedgerError
from ledger.entries import Halt, Mismatch
from ledger.ledger import Ledger
from risk import gate
from runtime import log_format
from runtime.console import typed
from runtime.log_format import Log


def how_to_go_on() -> str:
    """The command that lets a halted bot trade again, as a clause for logs and output."""
    return f"{typed('main.py resume')} resumes trading, with a new session"


class Halts:
    """The halts of an account, and the checks that lead to one."""

    def __init__(
        self,
        client: KalshiHttpClient,
        ledger: Ledger,
        state: AccountState,
        canceler: Canceler,
        bookkeeper: Bookkeeper,
        log: Log,
    ) -> None:
        self._client, self._ledger, self._state, self._canceler = client, ledger, state, canceler
        self._bookkeeper, self._log = bookkeeper, log
        self._told = self._unwritten = ""
        self._problems: list[str] = []
        self._mismatches: dict[str, Mismatch] = {}

    @property
    def stands(self) -> bool:
        """Whether the last check, or a halt after it, found one that stands."""
        return bool(self._told)

    def reason(self) -> str:
        """Why nothing may be placed, empty if it may. Raises `LedgerError`."""
        standing = merged(self._state.halts(), self._ledger.halts(standing=True))
        return self._unwritten or (standing[-1].reason if standing else "")

    def share(self) -> None:
        """Write halts that only the state or only the ledger has to the other.

        A halt of the ledger that a person has cleared in the state is cleared. Raises `LedgerError` if one of them
        cannot be read."""
        problems = share_halts(self._state, self._ledger)
        for problem in problems:
            if problem not in self._problems:
                self._log("ERROR", problem, ["The halt stands all the same; the bot writes it once that works"])
        self._problems = problems

    def check(self) -> bool:
        """Whether a halt stands. Logs it once and cancels our resting orders.

        Nothing else is sent then. Raises an `ExchangeError` or a `LedgerError`."""
        self._write()
        self.share()
        reason = self.reason()
        if not reason:
            if self._told:
                self._log("INFO", {"Halt": "cleared, a new session begins"})
            self._told = ""
            return False
        if reason != self._told:
            self._tell(reason, self._client.get_positions().items)
        self._canceler.cancel_own(CancelCause(CancelReason.HALT, reason))
        return True

    def halt(self, reason: str, positions: Collection[Position], free_cash: Decimal | None) -> None:
        """Halt trading until a person resumes it: cancel our orders, keep positions.

        `free_cash`: dollars, for the ledger. If neither the account's state nor the ledger can be written, the
        halt stands while this process runs. It is written once that works."""
        self._unwritten = reason
        errors = self._write()
        if errors:
            stands = "while this process runs" if self._unwritten else "in the one that could be written"
            more = f"The halt stands {stands}; the bot writes it to the others once that works"
            self._log("ERROR", "; ".join(map(str, errors)), [more])
        self._bookkeeper.close_cycle(None, free_cash)
        self._tell(reason, positions)
        self._canceler.cancel_own(CancelCause(CancelReason.HALT, reason))

    def _write(self) -> list[LedgerError]:
        """Write a new halt to the state and the ledger. Returns what failed."""
        if not self._unwritten:
            return []
        now, errors = self._client.clock.now(), list[LedgerError]()
        for place in (self._state, self._ledger):
            try:
                place.halt(now, self._unwritten)
            except LedgerError as error:
                errors.append(error)
        if len(errors) < 2:
            self._unwritten = ""
        self._problems = list(map(str, errors))
        return errors

    def _tell(self, reason: str, positions: Collection[Position]) -> None:
        self._told = reason
        risks = held_risks(positions)
        said = {"Reason": reason, "Orders": "our orders are canceled", "Positions": f"{len(positions)} kept"}
        then = how_to_go_on() + day_loss.until_midnight(reason, self._client.clock.now())
        more = {"Worst case": worst_case(risks.items()), "Then": then}
        self._log("HALT", said | more, listed(positions, risks))

    def check_positions(self, mismatches: Mapping[str, Mismatch]) -> str:
        """Check a cycle for unexplained positions.

        Returns the reason to halt if the cycle before showed the same, else empty."""
        both = {ticker: pair for ticker, pair in mismatches.items() if self._mismatches.get(ticker) == pair}
        self._mismatches = dict(mismatches)
        if both:
            told = ", ".join(
                f"{ticker}: {here:+} by the ledger, {there:+} on the exchange"
                for ticker, (here, there) in both.items()
            )
            return f"a position that no fill, settlement or transfer explains ({told})"
        return ""

    def forget(self) -> None:
        """Start the two-cycle check from scratch."""
        self._mismatches = {}


def share_halts(state: AccountState, ledger: Ledger) -> list[str]:
    """Write halts that only the account's state or only the ledger has to the other.

    A halt is the same one if its time and reason are. One that stands in the ledger, and that a person has cleared
    in the state, is cleared. A person cannot reach a state in memory: there it is the other way round. Returns
    what could not be written. Raises `LedgerError` if one cannot be read."""
    if state.is_in_memory:
        in_ledger = {(one.at, one.reason): one for one in ledger.halts()}
        found = [in_ledger.get((one.at, one.reason)) for one in state.halts()]
        cleared = [(one.cleared, one.cleared_by or "") for one in found if one and one.cleared]
        if cleared and len(cleared) == len(found):
            state.clear_halts(*cleared[-1])
    of_account = {(one.at, one.reason): one for one in state.halts(standing=False, own=True)}
    of_ledger = {(one.at, one.reason) for one in ledger.halts()}
    standing = [(one.at, one.reason) for one in ledger.halts(standing=True)]
    problems = []
    try:
        for known in standing:
            if known not in of_account:
                state.halt(*known)
    except LedgerError as error:
        problems.append(str(error))
    try:
        for known, one in of_account.items():
            if one.cleared is None and known not in of_ledger:
                ledger.halt(*known)
        ends = [of_account[known] for known in standing if known in of_account and of_account[known].cleared]
        if ends and len(ends) == len(standing) and ends[-1].cleared:
            ledger.clear_halts(ends[-1].cleared, ends[-1].cleared_by or "")
    except LedgerError as error:
        problems.append(str(error))
    return problems


def merged(*several: Iterable[Halt]) -> list[Halt]:
    """The halts of several places, each once, oldest first.

    One is the same everywhere if its time and reason are."""
    found = {(one.at, one.reason): one for halts in several for one in halts}
    return sorted(found.values(), key=lambda one: one.at)


def held_risks(positions: Iterable[Position]) -> dict[str, Decimal]:
    """Dollars at risk in positions by event, each market's worst case added up."""
    state = gate.TradingState(gate.Limits(Decimal(0), Decimal(0), 0), positions=tuple(positions))
    return gate.Gate(state, {}).risks()


def listed(positions: Iterable[Position], risks: Mapping[str, Decimal]) -> list[str]:
    """Log details: the positions, and what each of their events can lose."""
    lines = [log_format.pairs(log_format.held_position(one)) for one in positions]
    return lines + [f"Event: {event} | Worst case: -${risk:.2f}" for event, risk in risks.items() if risk]


def worst_case(risks: Iterable[tuple[str, Decimal]]) -> str:
    """Log text: the event that can lose most, and the total of all events."""
    found = sorted(risks, key=lambda one: (-one[1], one[0]))
    total = sum((risk for _, risk in found), start=Decimal(0))
    if not total:
        return "$0.00"
    return f"${found[0][1]:.2f} in {found[0][0]}, ${total:.2f} in all"
