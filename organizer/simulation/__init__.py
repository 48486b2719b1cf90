"""Events from Geant4: argon_data -> geant4 -> voxels -> response -> event -> chunks -> store."""
