"""Requests to the exchange, its answers and their types; no trading rules."""
