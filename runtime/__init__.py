"""The process and its log; no trading."""
