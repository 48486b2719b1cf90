"""Simulate events with Geant4.

argon_data -> geant4 <- primaries     particles in liquid argon
geant4 -> truth, voxels -> response   the class of each deposit, and the detector's read-out
event -> store                        one event from its seed, and the file format
chunks                                many events, on all cores or on a Dask cluster
"""
