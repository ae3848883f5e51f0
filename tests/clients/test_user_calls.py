"""Whose a key is, call by call."""

from __future__ import annotations

import pytest

from exchange.errors import ExchangeError
from tests.support import call_coverage
from tests.support.bench import MakeBench
from tests.support.call_coverage import about
from tests.support.users import add_key, client_of, first_key

bench, open_bench = call_coverage.bench, call_coverage.open_bench


@about("get_user_id")
def test_two_keys_of_one_user_are_told_as_one(open_bench: MakeBench) -> None:
    """The user is told by any order of the account, also by a canceled one. An account without an order tells
    nothing."""
    bench = open_bench()
    second = client_of(bench.exchange, add_key(bench.exchange, "second-key"))
    other = client_of(bench.exchange, add_key(bench.exchange, "other-key", is_other_user=True))
    for order in bench.resting():
        bench.let_expire([order])
    assert bench.client.get_user_id() == second.get_user_id() == bench.account.user_id
    assert other.get_user_id() == ""


@about("get_api_keys")
def test_a_user_without_an_order_is_told_by_its_keys(open_bench: MakeBench) -> None:
    """The list has all keys of the caller's user and no other. A key without the permission gets a 403."""
    bench = open_bench()
    first = first_key(bench.exchange).key_id
    second = client_of(bench.exchange, add_key(bench.exchange, "second-key"))
    other = client_of(bench.exchange, add_key(bench.exchange, "other-key", is_other_user=True))
    assert set(bench.client.get_api_keys()) == set(second.get_api_keys()) == {first, "second-key"}
    assert other.get_api_keys() == ("other-key",)
    bench.exchange.api.without_key_list.add("second-key")
    fresh = client_of(bench.exchange, add_key(bench.exchange, "second-key"))
    with pytest.raises(ExchangeError) as refused:
        fresh.get_api_keys()
    assert refused.value.status == 403
