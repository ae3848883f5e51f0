"""The process and its log: locks, signals, startup checks; no trading."""
