"""The agreement belongs to the account: not to a key, an address or a ledger, and to no other account."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from clients import Environment
from exchange.signing import Signer
from ledger.account_state import FILE_NAME
from runtime.lock import state_folder
from tests.support.bench import Bench, own_resting
from tests.support.users import ADDRESSES, add_key, first_key, place_as, start_with


def start(bench: Bench, is_agreed: bool, signer: Signer | None = None, address: str = ADDRESSES[0]) -> int | None:
    """A start with real money, on an account in which the bot has found nothing to take over."""
    bench.let_expire(bench.resting())
    bench.account.holdings.clear()
    bench.confirm = (lambda _: True) if is_agreed else None
    paid = {"trade_size": Decimal(20), "max_capital": Decimal(500), "fill_cost": 0.0}
    bench.restart(env=Environment.PROD, **paid)
    start_with(bench, signer or first_key(bench.exchange), address)
    return bench.run(cycles=1)


@pytest.mark.parametrize("changed", ["key", "address", "ledger", "key and ledger"])
def test_another_key_or_ledger_of_the_account_asks_nothing(bench: Bench, changed: str) -> None:
    """A new API key, the host written another way, a deleted ledger: the account and its limits are the same."""
    assert start(bench, is_agreed=True) is None
    bench.end()
    if "ledger" in changed:
        bench.ledger_file.unlink()
    signer = add_key(bench.exchange, "second-key") if "key" in changed else None
    assert start(bench, False, signer, ADDRESSES[1] if changed == "address" else ADDRESSES[0]) is None
    assert own_resting(bench)
    assert bench.log.count("Agreement: needed") == 1


@pytest.mark.parametrize("has_order", [False, True], ids=["user not known", "user known"])
def test_another_user_on_the_same_machine_is_asked(bench: Bench, has_order: bool) -> None:
    """The first account's agreement goes on after that."""
    assert start(bench, is_agreed=True) is None
    other = add_key(bench.exchange, "other-key", is_other_user=True)
    if has_order:
        place_as(bench.exchange, other)
    assert start(bench, False, other) == 2
    assert "nobody has agreed to real money on this account yet" in bench.events("REAL MONEY")[-1]
    assert start(bench, False) is None


def test_a_lost_agreement_is_asked_for_again(bench: Bench, tmp_path: Path) -> None:
    """The state folder was deleted, or this is another machine."""
    assert start(bench, is_agreed=True) is None
    bench.end()
    assert state_folder().is_relative_to(tmp_path)
    (state_folder() / FILE_NAME).unlink()
    assert start(bench, False) == 2
