"""Which positions a bot keeps because all bids are below `EXIT_LIMIT`.

Promise:
- It only reads. A book that cannot be read hides no other fact.

The bot's own sane mid price is in its process. Here the cost of a contract stands for it, as after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import trade
from clients import KalshiHttpClient
from exchange.account import Position
from exchange.errors import ExchangeError
from exchange.models import Order
from execution.exits import kept_below
from risk.holes import Sale, lowest_price, stand_in


def kept(
    client: KalshiHttpClient, positions: Iterable[Position], orders: Iterable[Order], exit_limit: Decimal
) -> Mapping[str, str]:
    """Why positions are kept, by market. `exit_limit`: dollars a contract."""
    held = [one for one in positions if one.count]
    try:
        books = client.get_orderbooks([one.ticker for one in held]) if held else ()
    except ExchangeError:
        return {}
    rivals = trade.books_without_own(books, orders)
    found = {}
    for one in held:
        middle = stand_in(one, None)
        if middle is not None:
            found[one.ticker] = kept_below(
                one, rivals.get(one.ticker), Sale(middle, lowest_price(middle, exit_limit))
            )
    return {ticker: why for ticker, why in found.items() if why}
