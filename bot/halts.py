"""Halt trading until you run `main.py resume`.

Promise:
- A halt is written to the ledger before the bot does anything else about it.
- A halt stands through restarts until it is cleared in the ledger.

A vanished order never halts, because a pause, an order group or a person can cancel it. Unexplained cash never
halts, because rewards arrive without a label.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from clients import KalshiHttpClient
from exchange.account import Position
from execution.cancel_reasons import CancelCause, CancelReason
from execution.canceler import Canceler
from ledger.bookkeeper import Bookkeeper, Mismatch
from ledger.daily_pnl import midnight
from ledger.database import LedgerError
from ledger.entries import AccountMark
from ledger.ledger import DAY_LOST, Ledger
from risk import gate
from runtime import log_format
from runtime.console import typed
from runtime.log_format import Log


def how_to_go_on() -> str:
    """The command that lets a halted bot trade again, as a clause for logs and output."""
    return f"{typed('main.py resume')} resumes trading, with a new session"


class Halts:
    """The halts of a ledger, and the checks that lead to one."""

    def __init__(
        self, client: KalshiHttpClient, ledger: Ledger, canceler: Canceler, bookkeeper: Bookkeeper, log: Log
    ) -> None:
        self._client, self._ledger, self._canceler = client, ledger, canceler
        self._bookkeeper, self._log = bookkeeper, log
        self._told = self._unwritten = ""
        self._mismatches: dict[str, Mismatch] = {}

    def reason(self) -> str:
        """Why nothing may be placed, empty if it may. Raises `LedgerError`."""
        standing = self._ledger.halts(standing=True)
        return self._unwritten or (standing[-1].reason if standing else "")

    def check(self) -> bool:
        """Whether a halt stands. Logs it once and cancels our resting orders.

        Nothing else is sent then. Raises an `ExchangeError` or a `LedgerError`."""
        self._write()
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

        `free_cash`: dollars, for the ledger. If the ledger cannot be written, the halt stands while this process
        runs. It is written once that works."""
        self._unwritten = reason
        error = self._write()
        if error is not None:
            more = "The halt stands while this process runs; the bot writes it to the ledger once that works"
            self._log("ERROR", str(error), [more])
        self._bookkeeper.close_cycle(None, free_cash)
        self._tell(reason, positions)
        self._canceler.cancel_own(CancelCause(CancelReason.HALT, reason))

    def _write(self) -> LedgerError | None:
        if self._unwritten:
            try:
                self._ledger.halt(self._client.clock.now(), self._unwritten)
            except LedgerError as error:
                return error
            self._unwritten = ""
        return None

    def _tell(self, reason: str, positions: Collection[Position]) -> None:
        self._told = reason
        risks = held_risks(positions)
        said = {"Reason": reason, "Orders": "our orders are canceled", "Positions": f"{len(positions)} kept"}
        more = {"Worst case": worst_case(risks.items()), "Then": how_to_go_on()}
        self._log("HALT", said | more, listed(positions, risks))

    def daily_loss_reason(self, mark: AccountMark, daily_loss_limit: Decimal) -> str:
        """Why the day's loss halts trading, empty if it does not. Raises `LedgerError`.

        A loss that a person accepted with `main.py resume` is not counted again."""
        forgiven = self._ledger.accepted_loss(midnight(mark.at.date()))
        lost = forgiven - (mark.day_profit or Decimal(0))
        if lost < daily_loss_limit:
            return ""
        more = f" in addition to ${-forgiven:.4f} that you accepted" if forgiven else ""
        return f"lost ${lost:.4f} today{more}, {DAY_LOST} is ${daily_loss_limit:.2f}"

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
