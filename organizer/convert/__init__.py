"""Convert data of other experiments and tools to this challenge's events, and back."""
