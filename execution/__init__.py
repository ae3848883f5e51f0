"""What is sent, and in which order."""
