"""The methods that benchmarks/peers.py compares, and their results."""
