"""What an organiser runs and gives to nobody: simulation, conversion, the split, the bundles."""
