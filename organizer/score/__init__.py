"""Scores submissions in the folders of both platforms' workers."""
