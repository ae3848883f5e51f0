"""What the exchange pays for, and what bids would earn by it."""
