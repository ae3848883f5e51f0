"""Choose the markets to quote and the sizes to quote them with."""
