"""What main.py can be asked for."""
