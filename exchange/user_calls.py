"""Ask the exchange whose key this is.

Promise:
- Orders carry their user, whatever key placed them.
- The list of the user's keys is optional: a key may lack the permission to read it.
"""

from __future__ import annotations

from exchange import parse_account
from exchange.json_fields import read_list
from exchange.market_data import MarketData
from exchange.optional_calls import OptionalCall, optional
from exchange.order_payloads import PRIMARY_SUBACCOUNT


class UserCalls(MarketData):
    """The calls that tell the user of a key. Errors are as in `MarketData`."""

    def get_user_id(self) -> str:
        """GET /portfolio/orders: the user of the newest order; empty if there is none.

        The order may be in any state. It is empty as well if the order does not name its user."""
        query = {"limit": 1, "subaccount": PRIMARY_SUBACCOUNT}
        found = read_list([self._get("/portfolio/orders", query)], "orders", parse_account.user_id, str)
        return next(iter(found), "")

    @optional(OptionalCall.API_KEYS)
    def get_api_keys(self) -> tuple[str, ...]:
        """GET /api_keys: the ids of all keys of this key's user."""
        return read_list([self._get("/api_keys")], "api_keys", parse_account.api_key_id, str).items
