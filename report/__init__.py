"""What came of it, by the ledger alone."""
