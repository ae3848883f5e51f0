"""Users with several keys: each key reaches its user's account and no other."""

from __future__ import annotations

from typing import Any

from exchange.signing import Signer
from simulator.opening import CUSTOMER, OTHER_CUSTOMER
from tests.support.small_exchange import code, open_desk, wanted
from tests.support.users import add_key


def test_each_run_has_users_of_its_own() -> None:
    """Two runs with the same seed are two exchanges, so that nothing of one counts for the other."""
    users = {open_desk().exchange.accounts[CUSTOMER].user_id for _ in range(2)}
    assert len(users) == 2


def test_a_second_key_reaches_the_same_account() -> None:
    desk = open_desk()
    second = add_key(desk.embedded, "second-key")
    placed = desk.send("POST", "/portfolio/events/orders", signer=second, json=wanted())
    assert placed.status_code == 201
    rows = desk.get("/portfolio/orders?status=resting")["orders"]
    assert placed.json()["order_id"] in {row["order_id"] for row in rows}
    assert {row["user_id"] for row in rows} == {desk.account.user_id}


def test_another_users_key_reaches_its_own_account_alone() -> None:
    desk = open_desk()
    other = add_key(desk.embedded, "other-key", is_other_user=True)
    order_id = desk.place()

    def read(path: str) -> Any:
        return desk.send("GET", path, signer=other).json()

    assert read("/portfolio/orders")["orders"] == read("/portfolio/positions")["market_positions"] == []
    assert desk.send("DELETE", f"/portfolio/events/orders/{order_id}", signer=other).status_code == 404
    assert desk.send("POST", "/portfolio/events/orders", signer=other, json=wanted()).status_code == 201
    (order,) = read("/portfolio/orders")["orders"]
    assert order["user_id"] == desk.exchange.accounts[OTHER_CUSTOMER].user_id != desk.account.user_id
    assert order_id in desk.account.resting


def test_a_key_lists_the_keys_of_its_user_if_it_may() -> None:
    desk = open_desk()
    second = add_key(desk.embedded, "second-key")
    other = add_key(desk.embedded, "other-key", is_other_user=True)
    desk.embedded.api.read_only.add("second-key")

    def listed(signer: Signer | None = None) -> dict[str, list[str]]:
        rows = desk.send("GET", "/api_keys", signer=signer).json()["api_keys"]
        return {row["api_key_id"]: row["scopes"] for row in rows}

    mine = {desk.embedded.key_id: ["read", "write"], "second-key": ["read"]}
    assert listed() == listed(second) == mine
    assert listed(other) == {"other-key": ["read", "write"]}
    desk.embedded.api.without_key_list.add("second-key")
    refused = desk.send("GET", "/api_keys", signer=second)
    assert (refused.status_code, code(refused)) == (403, "permission_denied")
    assert desk.public("GET", "/api_keys").status_code == 401
