"""The simulated traders in a market.

Promise:
- The times, sides and sizes at which they come depend only on the seed and the market. The book that they find
  decides what they trade.
- Each kind of trader can be left out.

The kinds are:

- `NOISE` buys or sells at random, with equal chances and without information.
- `INFORMED` knows the hidden value minutes before the book does, and takes orders that are mispriced against it.
- `RIVALS` quote around the value as the public knows it. They refresh quotes, join the best price or step in
  front. Some answer a customer's larger order (`simulator.answers`).
- `SWEEPS` know the outcome shortly before it is read, and take everything on the losing side.

Calibration (`python -m benchmarks.calibration --seeds 8`, held-out boards), all kinds on, for a quoter at the
best price: it loses 2.7 cents a contract after five minutes, 4.3 at settlement on average and 8.4 for fills in a
market's last hour. Makers on the real exchange measured 2.8, 4.8 and 7.6. The loss far exceeds the rewards;
without `INFORMED` the quoter earns. Markets differ widely: `toxicity` says how. Unpublished rates and sizes were
set to meet the three figures.
"""

from __future__ import annotations

from simulator.exchange import Exchange
from simulator.listing import ListedMarket
from simulator.rivals import Joiner, Rivals, Shape
from simulator.takers import InformedTaker, NoiseTaker, Sweeper
from simulator.value import MarketValue

NOISE, INFORMED, RIVALS, SWEEPS = "noise", "informed", "rivals", "sweeps"
EVERYBODY = frozenset({NOISE, INFORMED, RIVALS, SWEEPS})


def move_in(
    exchange: Exchange,
    market: ListedMarket,
    value: MarketValue,
    shape: Shape,
    take_seconds: float,
    factor: float,
    who: frozenset[str],
) -> Rivals:
    """Fill a market's book for the first time, and start the traders of `who`.
    Random takers come once in `take_seconds` on average, informed ones as often as the market's `factor` says
    (see `toxicity`). Returns the rivals who filled the book."""
    rivals = Rivals(exchange, market, value, shape)
    rivals.visit()
    if RIVALS in who:
        rivals.move_in()
        Joiner(exchange, market).move_in()
    if NOISE in who:
        NoiseTaker(exchange, market, take_seconds).move_in()
    if INFORMED in who:
        InformedTaker(exchange, market, value, factor).move_in()
    if SWEEPS in who:
        Sweeper(exchange, market, value).move_in()
    return rivals
