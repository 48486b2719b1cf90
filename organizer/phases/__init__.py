"""Split events into public and hidden ones."""
