"""The parts of the trading loop."""
