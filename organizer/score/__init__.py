"""Score submissions in the same way as the platforms' workers."""
