"""The ledger: what the bot must still know after a restart."""
