"""The doctor on the account: its state, its halts, and where its bot runs.

Promise:
- It writes nothing and leaves no file behind.
"""

from __future__ import annotations

from bot.account_user import state_warning
from bot.connection import Connection
from bot.halts import how_to_go_on
from clients import Environment
from commands.running_bots import running_bots
from commands.status_facts import known_state
from exchange.errors import ExchangeError
from ledger.database import LedgerError
from runtime.console import Checklist, ExitCode

ACCOUNT_STATE = "Account"
"""The name of the check."""


def check_state(checklist: Checklist, environment: Environment, connection: Connection) -> None:
    """Check the account's state, and tell its halts and where its bot runs."""
    try:
        state = known_state(environment, connection)
        halts = state.halts()
        bots = running_bots(environment, connection, state)
    except ExchangeError as error:
        checklist.unchecked(ACCOUNT_STATE, f"its orders cannot be read ({error})")
        return
    except (OSError, RuntimeError, LedgerError) as error:
        remedy = "Make the state folder readable and writable to you"
        checklist.fail(ACCOUNT_STATE, f"{error}. {remedy}", ExitCode.MISCONFIGURED)
        return
    mine = [one.process for one in bots if one.is_mine]
    told = f"a bot runs on it: {', '.join(mine)}" if mine else "no bot runs on it, on this machine"
    if state.problem:
        checklist.note(ACCOUNT_STATE, state_warning(state.problem))
    elif halts:
        checklist.note(ACCOUNT_STATE, f"{told}; it is HALTED: {halts[-1].reason}. {how_to_go_on()}")
    else:
        checklist.ok(ACCOUNT_STATE, told)
