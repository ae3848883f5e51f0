"""Limits on losses: exposure, the order gate and cooldowns."""
