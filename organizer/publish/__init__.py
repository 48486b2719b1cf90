"""Publish the data: the files, a data card, and metadata for archives."""
