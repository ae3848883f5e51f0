"""What the loop is made of."""
