"""The report: what the bot did and earned, from the ledger alone."""
