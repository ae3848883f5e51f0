"""Which orders the exchange pays rewards for, and how much bids would earn."""
