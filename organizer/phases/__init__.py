"""The split into what is public and what is hidden."""
