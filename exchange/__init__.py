"""What the exchange says, and how it is asked; no rule of ours."""
