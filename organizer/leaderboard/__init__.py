"""Rank several participants in every phase: `python -m organizer.leaderboard --help`."""
