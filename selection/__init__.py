"""Which markets are quoted, and with how many contracts."""
