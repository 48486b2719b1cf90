"""The organiser's programs, never given to participants: simulation, conversion, split, bundles."""
