"""Builds the two zips that a competition's organiser uploads; see `build.build`."""
