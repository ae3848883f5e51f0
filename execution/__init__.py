"""Orders: the plan of a cycle, and how it is sent."""
