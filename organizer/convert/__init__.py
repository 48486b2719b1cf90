"""Other people's data into this challenge's events: a module a source, `voxels` for all."""
