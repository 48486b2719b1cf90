"""What benchmarks/peers.py compares: the methods, and the results that it keeps."""
