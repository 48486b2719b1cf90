"""Events from Geant4.

argon_data -> geant4 <- primaries     particles through liquid argon
geant4 -> voxels -> response          what the detector reads out, and whose it was
event -> store                        one event from its seed; the file they are kept in
chunks -> process -> child            many events, on all cores or on a cluster
"""
