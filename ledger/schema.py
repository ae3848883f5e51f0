"""The ledger's tables, and the migrations that upgrade an older file.

Promise:
- An upgrade keeps all data of a file from an earlier version.
- Each migration is applied whole or not at all.

Times are whole microseconds since 1970 (UTC). Money, prices and counts are decimals in text, exact as the exchange
gave them. Seconds, shares and accrued rewards are estimates, stored as floats. `sqlite3 trade-sim.db` can read the
file while the bot runs: `SELECT datetime(began / 1e6, 'unixepoch'), * FROM cycles`.
"""

from __future__ import annotations

import sqlite3

_FIRST = """
-- `opened`: when the opening positions were read. `looked`: the time of the bot's last look; seconds are counted
-- up to it.
CREATE TABLE account (
    base_url TEXT NOT NULL, key_id TEXT NOT NULL, run TEXT NOT NULL, begun INTEGER NOT NULL,
    opened INTEGER, looked INTEGER
);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, began INTEGER NOT NULL, ended INTEGER, how TEXT NOT NULL DEFAULT 'did not say goodbye'
);
CREATE TABLE cycles (
    id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions, began INTEGER NOT NULL,
    seconds REAL NOT NULL, requests INTEGER NOT NULL, markets INTEGER NOT NULL, orders INTEGER NOT NULL,
    problem TEXT NOT NULL
);

-- One row for each set of terms that a program has had. `seen`: when it was first listed with them; from its end
-- until it is paid out, when it was last.
CREATE TABLE programs (
    id INTEGER PRIMARY KEY, seen INTEGER NOT NULL, program_id TEXT NOT NULL, ticker TEXT NOT NULL,
    type TEXT NOT NULL, starts INTEGER NOT NULL, ends INTEGER NOT NULL, reward TEXT NOT NULL,
    paid_out INTEGER NOT NULL, target TEXT, discount TEXT, cap TEXT
);
CREATE INDEX programs_by_id ON programs (program_id);

-- The bot's own orders. `ended`: when the order left the book, NULL while it rests.
CREATE TABLE orders (
    order_id TEXT PRIMARY KEY, client_order_id TEXT NOT NULL, ticker TEXT NOT NULL, side TEXT NOT NULL,
    price TEXT NOT NULL, asked TEXT NOT NULL, filled TEXT NOT NULL, fees TEXT NOT NULL, status TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER, ended INTEGER
) WITHOUT ROWID;
CREATE INDEX orders_at_rest ON orders (created) WHERE ended IS NULL;
CREATE INDEX orders_by_end ON orders (ended);

-- Fills of the whole account: if an order_id is not in `orders`, the bot did not send that order. `earlier`: from
-- before the ledger's opening positions, which already include it.
CREATE TABLE fills (
    fill_id TEXT PRIMARY KEY, order_id TEXT NOT NULL, ticker TEXT NOT NULL, side TEXT NOT NULL,
    price TEXT NOT NULL, count TEXT NOT NULL, fee TEXT NOT NULL, is_taker INTEGER NOT NULL,
    time INTEGER NOT NULL, earlier INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX fills_by_time ON fills (time);
CREATE TABLE settlements (
    ticker TEXT NOT NULL, time INTEGER NOT NULL, event_ticker TEXT NOT NULL, yes_count TEXT NOT NULL,
    yes_cost TEXT NOT NULL, no_count TEXT NOT NULL, no_cost TEXT NOT NULL, revenue TEXT NOT NULL,
    fee TEXT NOT NULL, yes_payout TEXT, exchange_index INTEGER NOT NULL, earlier INTEGER NOT NULL,
    PRIMARY KEY (ticker, time)
) WITHOUT ROWID;
CREATE INDEX settlements_by_time ON settlements (time);

-- Positions when the ledger was begun, YES positive.
CREATE TABLE opening_positions (ticker TEXT PRIMARY KEY, count TEXT NOT NULL) WITHOUT ROWID;

-- Positions at 00:00 UTC, and the price of a contract then, at the best bid.
CREATE TABLE days (day TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE day_marks (
    day TEXT NOT NULL, ticker TEXT NOT NULL, count TEXT NOT NULL, price TEXT NOT NULL, PRIMARY KEY (day, ticker)
) WITHOUT ROWID;
CREATE TABLE marks (
    at INTEGER PRIMARY KEY, free_cash TEXT, held TEXT NOT NULL, day_profit TEXT, accrued REAL
);
CREATE TABLE prices (ticker TEXT PRIMARY KEY, at INTEGER NOT NULL, yes_bid TEXT, no_bid TEXT) WITHOUT ROWID;

-- Books of the last look, of markets with our resting orders: all bids except our own, as JSON.
CREATE TABLE looks (ticker TEXT PRIMARY KEY, yes TEXT NOT NULL, no TEXT NOT NULL) WITHOUT ROWID;

-- Seconds in which our orders rested on a side of a program's market, within the program's window. Each second is
-- qualified (it counted), excluded (it paid no one) or unknown. `shares`: our share of the side, 0 to 1, summed
-- over the qualified seconds. `reward`: dollars accrued, before floor and cap.
CREATE TABLE seconds (
    program_id TEXT NOT NULL, side TEXT NOT NULL, day TEXT NOT NULL, ticker TEXT NOT NULL,
    present REAL NOT NULL, qualified REAL NOT NULL, excluded REAL NOT NULL, unknown REAL NOT NULL,
    shares REAL NOT NULL, reward REAL NOT NULL, PRIMARY KEY (program_id, side, day)
) WITHOUT ROWID;

CREATE INDEX seconds_by_day ON seconds (day);

CREATE TABLE halts (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, reason TEXT NOT NULL, cleared INTEGER, cleared_by TEXT
);
"""

_SECOND = """
-- `traded`: change of the cash by all fills and settlements since the opening, in dollars.
ALTER TABLE account ADD COLUMN traded TEXT NOT NULL DEFAULT '0';

-- Price of a contract when the ledger was begun, at the best bid; NULL if it was not read.
ALTER TABLE opening_positions ADD COLUMN price TEXT;

-- Contracts that the exchange listed and no fill explained, adopted at a session's start, YES positive.
CREATE TABLE adopted (at INTEGER NOT NULL, ticker TEXT NOT NULL, count TEXT NOT NULL);

-- `reward` uses the worse of two looks, `at_most` the better one.
ALTER TABLE seconds ADD COLUMN at_most REAL NOT NULL DEFAULT 0;
UPDATE seconds SET at_most = reward;

-- Spans of explained cash. The first and the last reading have the cash (including what orders tie up), and what
-- trades and listed payments had moved by then. Within a row, all cash is explained. Between two rows, cash
-- changed without an explanation, unless the later row is `anew`.
CREATE TABLE cash (
    since INTEGER PRIMARY KEY, until INTEGER NOT NULL, anew INTEGER NOT NULL,
    first TEXT NOT NULL, first_traded TEXT NOT NULL, first_paid TEXT NOT NULL,
    last TEXT NOT NULL, last_traded TEXT NOT NULL, last_paid TEXT NOT NULL
);
-- Deposits, withdrawals and transfers. `moves`: dollars added to the account's cash.
CREATE TABLE payments (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, amount TEXT NOT NULL, moves TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;

-- Best bids of a fill's market. They exclude our orders if they come from a look (`is_candle` 0).
CREATE TABLE markouts (
    fill_id TEXT NOT NULL, point TEXT NOT NULL, at INTEGER NOT NULL, yes_bid TEXT, no_bid TEXT,
    is_candle INTEGER NOT NULL, PRIMARY KEY (fill_id, point)
) WITHOUT ROWID;
-- Payout of a YES contract at the market's end.
CREATE TABLE outcomes (ticker TEXT PRIMARY KEY, at INTEGER NOT NULL, yes_payout TEXT NOT NULL) WITHOUT ROWID;

-- Dollars that orders and positions tied up, times seconds.
CREATE TABLE capital (
    day TEXT NOT NULL, ticker TEXT NOT NULL, dollar_seconds REAL NOT NULL, PRIMARY KEY (day, ticker)
) WITHOUT ROWID;
"""

_THIRD = """
-- The part of the day's profit since the ledger was begun: the whole profit on every later day. NULL if an older
-- version wrote the row.
ALTER TABLE marks ADD COLUMN own_profit TEXT;
"""

_FOURTH = """
-- Whether the balance contains what resting orders reserve (gross), or is what they leave free (net), and when
-- that was last seen. `closing`: whether orders that only close a position reserve cash; NULL if not known.
ALTER TABLE account ADD COLUMN balance TEXT NOT NULL DEFAULT 'not known';
ALTER TABLE account ADD COLUMN balance_at INTEGER;
ALTER TABLE account ADD COLUMN closing INTEGER;

-- Between this row and the one before, the balance was read in another way: the difference is no cash.
ALTER TABLE cash ADD COLUMN reread INTEGER NOT NULL DEFAULT 0;

-- The shard that a fill's cash was on.
ALTER TABLE fills ADD COLUMN exchange_index INTEGER NOT NULL DEFAULT 0;
"""

_FIFTH = """
-- The calls that failed and that the bot did without, a line each.
ALTER TABLE cycles ADD COLUMN without TEXT NOT NULL DEFAULT '';
"""

_SIXTH = """
-- `yes_bid` and `no_bid` are what positions count at: the higher bids of the last two looks. These are the last
-- look's alone, at `at`.
ALTER TABLE prices ADD COLUMN last_yes_bid TEXT;
ALTER TABLE prices ADD COLUMN last_no_bid TEXT;
UPDATE prices SET last_yes_bid = yes_bid, last_no_bid = no_bid;

-- What the bot's orders had brought on the UTC day on which the ledger was begun, before it was begun, in dollars.
-- It is a part of that day's `own_profit`.
ALTER TABLE account ADD COLUMN carried TEXT NOT NULL DEFAULT '0';

-- What a contract was worth when it was adopted, in dollars of its side. NULL if an older version wrote the row:
-- it counts as held since the day began.
ALTER TABLE adopted ADD COLUMN price TEXT;
"""

_SEVENTH = """
-- The tags in the client order ids of this ledger's processes, and since when. An order with another tag is
-- another bot's. Earlier versions wrote no tags; their orders show them.
CREATE TABLE own_tags (tag TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO own_tags SELECT substr(client_order_id, 8, 8), min(created) FROM orders
    WHERE client_order_id LIKE 'lipbot-________-%' GROUP BY 1;
"""

MIGRATIONS = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH, _SEVENTH)
"""Item n upgrades a file from version n to n + 1. Version 0 is an empty file."""


def prepare(db: sqlite3.Connection, read_only: bool) -> None:
    """Upgrade a file to this version.

    Raises `sqlite3.Error`, also if the file is newer, or older and `read_only`."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise sqlite3.DatabaseError(f"it was written by a newer version of the bot (schema {version})")
    if read_only and version < len(MIGRATIONS):
        found = f"it was written by an older version of the bot (schema {version}); start the bot once"
        raise sqlite3.DatabaseError(f"{found} to upgrade it")
    if read_only:
        return
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")
    while version < len(MIGRATIONS):
        # `executescript` commits an open transaction first, so the script needs its own.
        db.executescript(f"BEGIN IMMEDIATE;{MIGRATIONS[version]};PRAGMA user_version = {version + 1};COMMIT;")
        version += 1
